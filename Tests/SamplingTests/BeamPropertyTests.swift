import InferenceTypes
import TestSupport
import Testing

@testable import Sampling

/// Random models and settings: 2400 searches in twelve parts.
struct BeamPropertyTests {
    private static let parts = 0..<12
    private static let searches = 200

    private func forEachSearch(_ part: Int, _ body: (BeamRun.Settings, BeamModel, inout BeamScratch) -> Void) {
        var scratch = BeamScratch()
        for search in 0..<Self.searches {
            var generator = TestGenerator(seed: UInt64(part * Self.searches + search) &+ 0xBEA3)
            let (settings, model) = BeamRun.Settings.random(&generator)
            body(settings, model, &scratch)
        }
    }

    @Test("the plain search, which sorts everything, finds the same tokens and scores", arguments: parts)
    func reference(part: Int) {
        forEachSearch(part) { settings, model, scratch in
            var run = BeamRun(settings, model.logits)
            run.finish(&scratch)
            var reference = BeamReference(settings, model.logits)
            #expect(run.ranking == reference.ranking(), "\(settings), \(model)")
        }
    }

    @Test("what a stream has said is never taken back", arguments: parts)
    func streaming(part: Int) {
        forEachSearch(part) { settings, model, scratch in
            var run = BeamRun(settings, model.logits)
            run.finish(&scratch)
            // Where nothing may follow and nothing is finished, the answer is the best beam that ran.
            let answer = run.ranking.first?.tokens ?? Array(run.beams[0].dropFirst(settings.prompt.count))
            for (earlier, later) in zip(run.streamed, run.streamed.dropFirst() + [answer]) {
                #expect(later.starts(with: earlier), "\(settings), \(model)")
            }
        }
    }

    @Test("width 1 is greedy", arguments: parts)
    func greedy(part: Int) {
        forEachSearch(part) { settings, model, scratch in
            var settings = settings
            settings.parameters.width = 1
            settings.processing = LogitsProcessing()
            // "never" may go on after an end for a longer text.
            guard settings.parameters.earlyStopping != .never else { return }
            var run = BeamRun(settings, model.logits)
            run.finish(&scratch)
            var tokens = settings.prompt
            repeat {
                let logits = model.logits(tokens)
                tokens.append(TokenID(logits.firstIndex(of: logits.max() ?? 0) ?? 0))
            } while !settings.ends.contains(tokens[tokens.count - 1]) && !settings.endsEarly(tokens)
                && tokens.count < settings.prompt.count + settings.maxTokens
            #expect(run.ranking.map(\.tokens) == [Array(tokens.dropFirst(settings.prompt.count))])
        }
    }
}
