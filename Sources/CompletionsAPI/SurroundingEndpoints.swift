import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Tenancy

/// What is around the completions: the tokeniser, the server's state, cancelling by id.
extension CompletionsService {
    func tokenized(_ request: ServerRequest) throws(APIError) -> ServerResponse {
        answer(try tokenizerCalls.tokenize(CompletionRequest.members(of: jsonBody(of: request))))
    }

    func detokenized(_ request: ServerRequest) throws(APIError) -> ServerResponse {
        answer(try tokenizerCalls.detokenize(CompletionRequest.members(of: jsonBody(of: request))))
    }

    /// `GET /tokenizer_info`.
    var tokenizerInformation: ServerResponse { .json(tokenizerCalls.information) }

    private var tokenizerCalls: TokenizerCalls {
        TokenizerCalls(model: model, unknownFields: configuration.unknownFields)
    }

    private func answer(_ answer: TokenizerCalls.Answer) -> ServerResponse {
        var response = ServerResponse.json(answer.body)
        response.head.headerFields[.ignoredParameters] = ignoredParametersField(answer.unknownFields)
        return response
    }

    /// `POST /v1/completions/{id}/cancel`.
    ///
    /// - Throws: 404 where none with this id runs; it may have ended just now, or be another key's.
    func cancelled(_ id: [UInt8], by key: APIKey?) async throws(APIError) -> ServerResponse {
        guard await live.cancel(id, owner: key?.name, orAnybodys: key?.isAdmin == true) else {
            throw APIError(.notFound, .invalidRequest, "No completion `\(excerpt(id))` is running.")
        }
        return .json(
            .members(["id": .string(id), "object": .text("text_completion.cancelled"), "cancelled": .bool(true)]))
    }

    /// `GET /version`.
    ///
    /// - Source: vLLM.
    var version: ServerResponse { .json(.members(["version": .text(configuration.build)])) }

    /// `GET /load`: requests in the house, which balancers ask for, and what they hold.
    ///
    /// - Source: vLLM, which has `server_load` alone.
    var load: ServerResponse {
        let statistics = model.statistics()
        return .json(
            .members([
                "server_load": .count(statistics.runningCount + statistics.waitingCount),
                "running": .count(statistics.runningCount), "waiting": .count(statistics.waitingCount),
                "free_kv_blocks": .count(statistics.freeBlockCount),
                "total_kv_blocks": .count(statistics.totalBlockCount),
                "cached_kv_blocks": .count(statistics.cachedBlockCount),
                "waiting_tokens": .count(statistics.waitingTokenCount),
                "started": .count(statistics.startedCount), "preemptions": .count(statistics.preemptionCount),
                "prompt_tokens": .count(statistics.startedPromptTokenCount),
                "cached_prompt_tokens": .count(statistics.cachedPromptTokenCount),
                "retry_after": .count(statistics.retryAfterSeconds),
            ]))
    }
}
