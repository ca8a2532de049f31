import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Tenancy
import Testing

@testable import CompletionsAPI

@Suite("Keys", .timeLimit(.minutes(1)))
struct KeyTests {
    private static func key(_ name: String, _ change: (inout APIKey) -> Void = { _ in }) -> APIKey {
        var key = APIKey(name: name, digest: KeyDigest(of: Array("nt-\(name)".utf8)))
        change(&key)
        return key
    }

    private struct Server {
        var engine: ScriptedEngine
        var tenants: Tenants
        var service: CompletionsService

        init(_ engine: ScriptedEngine = saying("x"), _ keys: APIKey...) {
            self.engine = engine
            tenants = Tenants(keys.isEmpty ? [KeyTests.key("a"), KeyTests.key("b")] : keys)
            let random = Counter()
            service = CompletionsService(
                model: model(engine), configuration: ServiceConfiguration(build: "test"),
                environment: ServiceEnvironment(
                    now: { 0 }, random: { UInt64(random.next() + 1) << 12 }, pause: { _ in throw CancellationError() }),
                tenants: tenants)
        }

        func respond(_ request: ServerRequest, _ authorization: String...) async -> ServerResponse {
            var request = request
            for value in authorization {
                request.head.headerFields.append(HTTPField(name: .authorization, value: value))
            }
            return await service.respond(to: request)
        }

        func answer(_ request: ServerRequest, key: String) async -> Answer {
            await Answer(respond(request, "Bearer nt-\(key)"))
        }
    }

    @Test("Without a key everything but health is 401, what is not there included, before the body is looked at")
    func missing() async {
        let server = Server()
        let asked = [
            ("GET", "/v1/models"), ("GET", "/v1/models/tiny"), ("POST", "/v1/completions"), ("POST", "/tokenize"),
            ("POST", "/detokenize"), ("GET", "/tokenizer_info"), ("GET", "/version"), ("GET", "/load"), ("GET", "/"),
            ("POST", "/v1/completions/x/cancel"), ("GET", "/metrics"), ("GET", "/v1//models"),
            ("GET", "/health/"), ("GET", "/health/../v1/models"), ("GET", "/%"),
        ]
        for (method, path) in asked {
            let answer = await Answer(server.respond(request(method, path)))
            #expect(answer.status == 401 && answer.code == "invalid_api_key", "\(method) \(path)")
            #expect(answer.fields[.wwwAuthenticate] == "Bearer")
            #expect(answer.json?["error"]?["type"]?.asBytes == Array("authentication_error".utf8))
        }
        #expect(await Answer(server.respond(request("DELETE", "/health"))).status == 405)
        for path in ["/health", "/health/live", "/health/ready", "/he%61lth"] {
            #expect(await Answer(server.respond(request("GET", path))).status == 200)
        }
    }

    @Test(
        "One field, one scheme in any case, one key",
        arguments: [
            (["Bearer nt-a"], 200), (["bearer nt-a"], 200), (["BEARER   nt-b"], 200),
            (["Bearer nt-A"], 401), (["Bearer nt-ax"], 401), (["Bearer nt-"], 401), (["nt-a"], 401), (["Bearer"], 401),
            (["Bearer "], 401), (["Basic nt-a"], 401), (["Bearernt-a"], 401), (["Bearer nt-a nt-a"], 401),
            (["Bearer nt-a, Bearer nt-a"], 401), (["Bearer nt-a", "Bearer nt-a"], 401),
            (["Bearer nt-a", "Bearer x"], 401), (["Bearer x", "Bearer nt-a"], 401), (["Bearer\tnt-a"], 401),
            (["Bearer " + String(repeating: "k", count: 4096)], 401), ([""], 401),
        ])
    func credentials(_ values: [String], _ status: Int) async {
        var asked = request("GET", "/v1/models")
        for value in values { asked.head.headerFields.append(HTTPField(name: .authorization, value: value)) }
        #expect(await Answer(Server().respond(asked)).status == status)
    }

    @Test("The key's name is the account and the scope of prefixes, whatever user says")
    func account() async {
        let server = Server()
        for (key, salt) in [("a", ""), ("b", #","cache_salt":"s""#), ("b", #","cache_prompt":false"#)] {
            let answer = await server.answer(post(#"{"prompt":"a","user":"me"\#(salt)}"#), key: key)
            #expect(answer.status == 200)
        }
        var found: [Scheduling] = []
        for await admission in server.engine.admitted {
            found.append(admission.request.scheduling)
            if found.count == 3 { break }
        }
        #expect(found.map(\.account) == [Array("a".utf8), Array("b".utf8), Array("b".utf8)])
        #expect(
            found.map(\.prefixCaching) == [
                .shared(salt: Array("a\0".utf8)), .shared(salt: Array("b\0s".utf8)), .isolated,
            ])
    }

    @Test(
        "What a key does not allow is refused by name",
        arguments: [
            (#""max_tokens":5"#, 200, nil), (#""max_tokens":6"#, 400, "max_tokens"), ("\"n\":1", 400, "max_tokens"),
            (#""max_tokens":1,"priority":-3"#, 200, nil), (#""max_tokens":1,"priority":-4"#, 403, "priority"),
            (#""max_tokens":5,"n":5"#, 400, "max_tokens"),
        ] as [(String, Int, String?)])
    func bounds(_ fields: String, _ status: Int, _ parameter: String?) async {
        let key = Self.key("a") {
            ($0.limits.maxTokens, $0.limits.priority, $0.limits.tokensPerMinute) = (5, -3, 20)
        }
        let answer = await Server(saying("x"), key).answer(post(#"{"prompt":"a",\#(fields)}"#), key: "a")
        #expect(answer.status == status && answer.parameter == parameter, "\(answer.text)")
    }

    @Test("Who may not be urgent has the priority that the key says, and may not push ahead")
    func lazy() async {
        let server = Server(saying("x"), Self.key("a") { $0.limits.priority = 4 })
        #expect(await server.answer(post(#"{"prompt":"a"}"#), key: "a").status == 200)
        for await admission in server.engine.admitted {
            #expect(admission.request.scheduling.priority == 4)
            break
        }
        let answer = await server.answer(post(#"{"prompt":"a","priority":0}"#), key: "a")
        #expect(answer.status == 403 && answer.parameter == "priority")
        #expect(answer.json?["error"]?["type"]?.asBytes == Array("permission_error".utf8))
    }

    @Test("Too many requests are 429 with Retry-After, tokenising counted; answers given are not taken back")
    func tooMany() async {
        let server = Server(saying("x"), Self.key("a") { $0.limits.requestsPerMinute = 2 }, Self.key("b"))
        var tokenize = post(#"{"prompt":"a"}"#)
        tokenize.path = Array("/tokenize".utf8)
        #expect(await server.answer(tokenize, key: "a").status == 200)
        #expect(await server.answer(post(#"{"prompt":"a"}"#), key: "a").status == 200)
        for request in [tokenize, post(#"{"prompt":"a"}"#)] {
            let answer = await server.answer(request, key: "a")
            #expect(answer.status == 429 && answer.code == "rate_limit_exceeded")
            #expect(answer.fields[.retryAfter] == "30")
            #expect(answer.json?["error"]?["type"]?.asBytes == Array("rate_limit_error".utf8))
        }
        #expect(await server.answer(request("GET", "/v1/models"), key: "a").status == 200)
        #expect(await server.answer(post(#"{"prompt":"a"}"#), key: "b").status == 200)
    }

    @Test("Each end of a request gives its place back", arguments: ["false", "true"])
    func ends(_ stream: String) async {
        let engine = ScriptedEngine { _, place in place == 1 ? [finished(.failed("no"))] : [finished(.length)] }
        let server = Server(engine, Self.key("a") { $0.limits.concurrentRequests = 1 })
        let bodies = [
            #"{"prompt":"a","stream":\#(stream)}"#, #"{"prompt":"b","stream":\#(stream)}"#, #"{"prompt":7"#,
            #"{"prompt":"a","n":0}"#, #"{"prompt":"a","stream":\#(stream)}"#,
        ]
        for (body, status) in zip(bodies, [200, 500, 400, 400, 200]) {
            #expect(await server.answer(post(body), key: "a").status == status)
            #expect(await server.tenants.runningCount(of: "a") == 0)
        }
    }

    @Test("A client that hangs up, or is cancelled, gives its place back; until then the next one is refused")
    func hangUp() async {
        let server = Server(
            ScriptedEngine { _, _ in nil }, Self.key("a") { $0.limits.concurrentRequests = 1 }, Self.key("b"))
        for stream in ["true", "false"] {
            let handler = Task {
                await server.answer(post(#"{"prompt":"a","stream":\#(stream)}"#), key: "a").status
            }
            while await server.tenants.runningCount(of: "a") == 0 { await Task.yield() }
            let refused = await server.answer(post(#"{"prompt":"b"}"#), key: "a")
            #expect(refused.status == 429 && refused.fields[.retryAfter] == "1")
            handler.cancel()
            _ = await handler.value
            while await server.tenants.runningCount(of: "a") > 0 { await Task.yield() }
        }
    }

    @Test("Nobody but its key's holder, or an administrator, ends a completion; ids are each key's own")
    func cancel() async {
        let server = Server(
            ScriptedEngine { _, _ in nil }, Self.key("a"), Self.key("b"), Self.key("ops") { $0.isAdmin = true })
        let cancel = request("POST", "/v1/completions/cmpl-x/cancel")
        for (key, ender) in [("a", "a"), ("a", "ops")] {
            let handler = Task { await server.answer(post(#"{"prompt":"a","request_id":"x"}"#), key: key) }
            while await server.tenants.runningCount(of: key) == 0 { await Task.yield() }
            for await _ in server.engine.admitted { break }
            #expect(await server.answer(cancel, key: "b").status == 404)
            #expect(await server.answer(cancel, key: ender).status == 200)
            #expect(await handler.value.text.contains("cancelled"))
        }
    }

    @Test("A key that is gone is 401 at once, and its stream goes on")
    func gone() async {
        let server = Server()
        #expect(await server.answer(request("GET", "/v1/models"), key: "a").status == 200)
        await server.tenants.replace(with: [Self.key("b")])
        #expect(await server.answer(request("GET", "/v1/models"), key: "a").status == 401)
        #expect(await server.answer(request("GET", "/v1/models"), key: "b").status == 200)
    }

    @Test("Administration is for keys that have the role")
    func administration() async {
        #expect(throws: APIError.notAdministrator) { try Self.key("a").checked(for: .administrator) }
        #expect(throws: Never.self) { try Self.key("a") { $0.isAdmin = true }.checked(for: .administrator) }
        #expect(await Answer(APIError.notAdministrator.response).status == 403)
    }
}
