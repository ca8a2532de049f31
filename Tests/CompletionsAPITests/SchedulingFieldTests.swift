import CompletionsAPI
import Engine
import InferenceTypes
import Testing

@Suite("Fields about other requests: priority, account, shared prefixes")
struct SchedulingFieldTests {
    @Test(
        "They reach the engine as sent",
        arguments: [
            ("", Scheduling()), (#","priority":null,"cache_salt":null,"cache_prompt":null,"user":null"#, Scheduling()),
            (#","priority":-3"#, Scheduling(priority: -3)),
            (#","priority":9223372036854775807"#, Scheduling(priority: .max)),
            (#","priority":-9223372036854775808"#, Scheduling(priority: .min)),
            (#","user":"amé""#, Scheduling(account: Array("amé".utf8))), (#","user":"""#, Scheduling()),
            (#","cache_salt":"k""#, Scheduling(prefixCaching: .shared(salt: [0x6B]))),
            (#","cache_salt":"k","cache_prompt":true"#, Scheduling(prefixCaching: .shared(salt: [0x6B]))),
            (#","cache_prompt":false"#, Scheduling(prefixCaching: .isolated)),
            (
                #","priority":1,"user":"u","cache_prompt":false"#,
                Scheduling(priority: 1, account: [0x75], prefixCaching: .isolated)
            ),
        ])
    func fields(_ members: String, _ scheduling: Scheduling) async {
        let engine = saying("x")
        let answer = await service(engine).answer(#"{"prompt":"a"\#(members)}"#)
        #expect(answer.status == 200, "\(answer.text)")
        #expect(await engine.firstRequest?.scheduling == scheduling)
    }

    @Test("A salt of 256 bytes and a user of 512 are the longest")
    func limits() async {
        for (name, limit) in [("cache_salt", 256), ("user", 512)] {
            for (count, status) in [(limit, 200), (limit + 1, 400)] {
                let value = String(repeating: "s", count: count)
                let answer = await service(saying("x")).answer(#"{"prompt":"a","\#(name)":"\#(value)"}"#)
                #expect(answer.status == status)
            }
        }
    }

    @Test("Every run of a call carries them: of each prompt, and where choices are spread over several")
    func everyRun() async {
        let engine = saying("x")
        let answer = await service(engine, capacity: 2).answer(#"{"prompt":["a","b"],"n":3,"priority":4,"user":"u"}"#)
        #expect(answer.status == 200)
        var found: [Scheduling] = []
        for await admission in engine.admitted {
            found.append(admission.request.scheduling)
            if found.count == 4 { break }
        }
        #expect(found == Array(repeating: Scheduling(priority: 4, account: [0x75]), count: 4))
    }
}

@Suite("Cached tokens in usage")
struct CachedTokenTests {
    /// Says a token and ends each choice; the request in place `i` found `counts[i]` tokens in the cache.
    private func engine(_ counts: [Int]) -> ScriptedEngine {
        ScriptedEngine { request, place in
            request.heardChoices.flatMap {
                [delta("x", [1], choice: $0), finished(.length, choice: $0, cached: counts[place])]
            }
        }
    }

    @Test(
        "Each prompt counts once, by its first run, whatever the number of choices",
        arguments: [
            (#""prompt":"abcd""#, [3], 3), (#""prompt":"abcd","n":3"#, [2, 4], 2),
            (#""prompt":"abcd","n":3,"temperature":0"#, [2], 2), (#""prompt":["ab","cd"]"#, [1, 2], 3),
            (#""prompt":["ab","cd"],"n":3"#, [1, 2, 2, 2], 3), (#""prompt":["ab","ab"]"#, [0, 2], 2),
            (#""prompt":"abcd","n":2,"num_beams":2"#, [4], 4),
        ])
    func counts(_ members: String, _ counts: [Int], _ sum: Int) async throws {
        let plain = await service(engine(counts), capacity: 2).answer("{\(members)}")
        #expect(plain.json?["usage"]?.cachedTokens == Int64(sum), "\(plain.text)")
        let streamed = await service(engine(counts), capacity: 2).answer(
            "{\(members),\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
        let events = try #require(streamed.events)
        #expect(events.last?["usage"] == plain.json?["usage"])
        #expect(events.dropLast().allSatisfy { $0["usage"] == .null })
    }

    @Test("Continuous usage has them from the end of the prompt's first choice on")
    func continuous() async throws {
        let options = #""stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}"#
        let answer = await service(engine([2])).answer(#"{"prompt":"abc","n":2,\#(options)}"#)
        #expect(try #require(answer.events).map { $0["usage"]?.cachedTokens } == [0, 2, 2, 2, 2])
    }
}

extension JSONValue {
    fileprivate var cachedTokens: Int64? { self["prompt_tokens_details"]?["cached_tokens"]?.asInteger }
}
