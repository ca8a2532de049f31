import InferenceTypes
import Tokenization

/// A request in an engine of its own, with room for everything: what it has to hear in a crowd, too. For what the oracle
/// does not know how to decode.
struct SimulationAlone {
    private let client: SimulationClient
    private let machine: SimulationMachine
    private let model: SimulationModel

    /// - Requires: the request has no limit on its time. A search that runs out of time ranks what it has by then.
    init(_ request: GenerationRequest, _ tokenizer: Tokenizer) {
        let configuration = EngineConfiguration(
            blockSize: 16, blockCount: 2 + request.worstCaseBlockCount(blockSize: 16), contextCount: 4096,
            cachesPrefixes: false, pacing: .unlimited)
        let model = SimulationModel(configuration)
        self.model = model
        machine = SimulationMachine(configuration, tokenizer, cost: { _ in 1 }, compute: { model.forward($0) })
        client = SimulationClient(machine.mailbox.makeID(), request, arrival: machine.now, habit: .eager)
    }

    /// - Throws: where a client of the same request heard something else.
    func check(_ other: SimulationClient) async throws(SimulationViolation) {
        let answers = try await answers()
        for (choice, heard) in other.answers {
            guard let alone = answers[choice], let reason = heard.reason else { continue }
            let isSame =
                switch reason {
                case .maxTime, .queueTimeout, .cancelled, .failed:
                    choice > 0 || alone.text.starts(with: heard.text)
                case .endOfSequence, .stopToken, .stopString, .length, .exhausted:
                    alone.text == heard.text && alone.plain.tokens == heard.plain.tokens && alone.reason == reason
                        && alone.beamScore == heard.beamScore
                }
            try require(
                isSame, 4,
                "\(other.number) choice \(choice) hears \(heard.plain.generated), \(reason); alone "
                    + "\(alone.plain.generated), \(alone.reason.map { "\($0)" } ?? "no end")")
        }
    }

    private func answers() async throws(SimulationViolation) -> [Int: SimulationClient.Answer] {
        do throws(AdmissionError) {
            try machine.mailbox.submit(
                Submission(id: client.id, request: client.request, sink: client.sink, arrival: client.arrival))
        } catch { throw SimulationViolation(4, "\(client.number) is refused when it is alone: \(error)") }
        var oracle = SimulationOracle()
        let circumstances = SimulationClient.Circumstances(now: machine.now, isStopped: false, hasFailed: false)
        while !client.isOver {
            model.beginStep()
            machine.step()
            for event in await client.events() { try client.take(event, &oracle, circumstances) }
        }
        return client.answers
    }
}
