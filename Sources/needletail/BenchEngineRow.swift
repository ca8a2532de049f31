extension BenchEngineReport {
    /// One kind of work.
    enum Row: Sendable, Equatable {
        /// One prompt, alone.
        case prompt(tokenCount: Int)
        /// A step of so many streams.
        case decode(streamCount: Int, contextCount: Int, stepCount: Int)
        /// Clients, each with one request after the other.
        case clients(count: Int, requestCount: Int, promptCount: Int, maxTokens: Int)
    }
}

extension BenchEngineReport.Row {
    /// - Returns: of the prompt, of a step, or of all requests.
    func seconds(_ runs: inout BenchEngineRuns) async throws -> Double {
        switch self {
        case .prompt(let tokenCount): try await runs.prompt(tokenCount: tokenCount)
        case .decode(let streamCount, let contextCount, let stepCount):
            try await runs.decode(streamCount: streamCount, contextCount: contextCount, stepCount: stepCount)
        case .clients(let count, let requestCount, let promptCount, let maxTokens):
            try await runs.clients(
                count: count, requestCount: requestCount, promptCount: promptCount, maxTokens: maxTokens)
        }
    }

    /// Tokens that are counted: of the prompt, or those that come out.
    var tokenCount: Int {
        switch self {
        case .prompt(let tokenCount): tokenCount
        case .decode(let streamCount, _, _): streamCount
        case .clients(_, let requestCount, _, let maxTokens): requestCount * maxTokens
        }
    }

    var test: String {
        switch self {
        case .prompt: "prompt"
        case .decode: "decode"
        case .clients: "clients"
        }
    }

    var name: String {
        switch self {
        case .prompt(let tokenCount): "prompt of \(tokenCount)"
        case .decode(1, let contextCount, _): "1 stream at \(contextCount)"
        case .decode(let streamCount, let contextCount, _): "\(streamCount) streams at \(contextCount)"
        case .clients(1, _, let promptCount, let maxTokens): "1 client, \(promptCount) in, \(maxTokens) out"
        case .clients(let count, _, let promptCount, let maxTokens):
            "\(count) clients, \(promptCount) in, \(maxTokens) out"
        }
    }

    var sequenceCount: Int {
        switch self {
        case .prompt: 1
        case .decode(let streamCount, _, _): streamCount
        case .clients(let count, _, _, _): count
        }
    }

    /// Tokens of the longest sequence.
    func sequenceTokenCount(maxBatchTokens: Int) -> Int {
        switch self {
        case .prompt(let tokenCount): tokenCount + 1
        case .decode(let streamCount, let contextCount, let stepCount):
            contextCount + stepCount
                + BenchEngineRuns.slackTokens(
                    streamCount: streamCount, contextCount: contextCount, maxBatchTokens: maxBatchTokens)
        case .clients(_, _, let promptCount, let maxTokens): promptCount + maxTokens
        }
    }

    /// Bytes of weights, keys and values that this reads at least.
    ///
    /// A prompt reads the weights once: it fits a step. Of clients, only the weights of the steps in which all decode.
    func byteCount(_ cost: BenchModelCost, keyValueByteCount: Int) -> Int {
        switch self {
        case .prompt: return cost.stepByteCount
        case .decode(let streamCount, let contextCount, let stepCount):
            return cost.stepByteCount + streamCount * (contextCount + stepCount / 2) * keyValueByteCount
        case .clients(let count, let requestCount, _, let maxTokens):
            return cost.stepByteCount * (requestCount * maxTokens / count)
        }
    }

    func operationCount(_ cost: BenchModelCost) -> Int {
        switch self {
        case .prompt(let tokenCount): return cost.operationCount(tokenCount: tokenCount, rowCount: 0)
        case .decode(let streamCount, _, _):
            return cost.operationCount(tokenCount: streamCount, rowCount: streamCount)
        case .clients(_, let requestCount, let promptCount, let maxTokens):
            return cost.operationCount(
                tokenCount: requestCount * (promptCount + maxTokens - 1), rowCount: requestCount * maxTokens)
        }
    }
}
