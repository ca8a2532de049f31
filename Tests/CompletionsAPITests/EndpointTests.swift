import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Paths, methods and error bodies")
struct EndpointTests {
    private func answer(
        _ method: String, _ path: String, readiness: ServedModel.Readiness = .ready
    ) async -> Answer {
        await Answer(service(saying("x"), readiness: readiness).respond(to: request(method, path)))
    }

    @Test(
        "What is there",
        arguments: [
            ("GET", "/health", #"{"status":"ok"}"#), ("GET", "/health/live", #"{"status":"ok"}"#),
            ("GET", "/health/ready", #"{"status":"ok"}"#), ("HEAD", "/health", #"{"status":"ok"}"#),
            (
                "GET", "/v1/models",
                #"{"object":"list","data":[{"id":"tiny","object":"model","created":1767225600,"owned_by":"needletail","#
                    + #""max_model_len":32}]}"#
            ),
            (
                "GET", "/v1/models/tiny",
                #"{"id":"tiny","object":"model","created":1767225600,"owned_by":"needletail","max_model_len":32}"#
            ),
            (
                "GET", "/v1/models/t%69ny",
                #"{"id":"tiny","object":"model","created":1767225600,"owned_by":"needletail","max_model_len":32}"#
            ),
        ])
    func found(_ method: String, _ path: String, _ body: String) async {
        let answer = await answer(method, path)
        #expect(answer.status == 200)
        #expect(answer.text == body)
        #expect(answer.fields[.contentType] == "application/json")
    }

    @Test(
        "What is not there",
        arguments: [
            "/", "", "health", "/health/", "/Health", "/health/dead", "//health", "/./health", "/health/../v1/models",
            "/health%2flive", "/health%00", "/health%zz", "/health%", "/health%2", "/v1/models/", "/V1/models",
            "/v1/completions/",
            "/v1%2fmodels", "/v1//models", "*", "/v1/models%20", "/v1/models;x=/health", "/h\u{e9}",
        ])
    func missing(_ path: String) async {
        let answer = await answer("GET", path)
        #expect(answer.status == 404)
        #expect(answer.json?["error"]?["type"] == .string(Array("invalid_request_error".utf8)))
        #expect(answer.parameter == nil)
        #expect(answer.code == nil)
    }

    @Test("A model that is not served", arguments: ["/v1/models/other", "/v1/models/tiny/x", "/v1/models/tiny%00"])
    func missingModel(_ path: String) async {
        let answer = await answer("GET", path)
        #expect(answer.status == 404)
        #expect(answer.parameter == "model")
        #expect(answer.code == "model_not_found")
    }

    @Test(
        "A method that a path does not have",
        arguments: [
            ("GET", "/v1/completions", "POST"), ("HEAD", "/v1/completions", "POST"), ("POST", "/health", "GET, HEAD"),
            ("DELETE", "/v1/models/tiny", "GET, HEAD"), ("TRACE", "/health", "GET, HEAD"),
            ("get", "/health", "GET, HEAD"),
        ])
    func method(_ method: String, _ path: String, _ allow: String) async {
        let answer = await answer(method, path)
        #expect(answer.status == 405)
        #expect(answer.fields[.allow] == allow)
    }

    @Test(
        "Out of service",
        arguments: [
            (ServedModel.Readiness.draining, "server_shutting_down"), (.broken, nil),
        ] as [(ServedModel.Readiness, String?)])
    func outage(_ readiness: ServedModel.Readiness, _ code: String?) async {
        let post = await Answer(service(saying("x"), readiness: readiness).respond(to: post("{}")))
        for answer in [post, await answer("GET", "/health", readiness: readiness)] {
            #expect(answer.status == 503)
            #expect(answer.code == code)
            #expect(answer.fields[.retryAfter] == "5")
            #expect(answer.json?["error"]?["type"] == .string(Array("server_error".utf8)))
        }
        #expect(await answer("GET", "/health/live", readiness: readiness).status == 200)
        #expect(await answer("GET", "/v1/models", readiness: readiness).status == 200)
    }

    @Test(
        "What the engine does not take",
        arguments: [
            (AdmissionError.queueFull(retryAfter: 17), 429, "server_overloaded", "17"),
            (.draining, 503, "server_shutting_down", "5"),
            (.tooLong(limit: 8), 400, "context_length_exceeded", nil), (.tooWide(limit: 8), 400, nil, nil),
        ] as [(AdmissionError, Int, String?, String?)])
    func refusal(_ error: AdmissionError, _ status: Int, _ code: String?, _ retryAfter: String?) async {
        let engine = ScriptedEngine { (_, _) throws(AdmissionError) in throw error }
        for stream in ["false", "true"] {
            let answer = await service(engine).answer(#"{"prompt":"a","stream":\#(stream)}"#)
            #expect(answer.status == status)
            #expect(answer.code == code)
            #expect(answer.fields[.retryAfter] == retryAfter)
            #expect(answer.fields[.contentType] == "application/json")
        }
    }

    @Test(
        "Content-Type",
        arguments: [
            ("application/json", 200), ("Application/JSON", 200), ("application/json; charset=utf-8", 200),
            ("application/json ;x", 200), (nil, 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
            ("application/jsonx", 415), ("", 415), ("application/json, text/plain", 415),
        ] as [(String?, Int)])
    func contentType(_ type: String?, _ status: Int) async {
        let answer = await Answer(service(saying("x")).respond(to: post(#"{"prompt":"a"}"#, type: type)))
        #expect(answer.status == status)
    }

    @Test("A body that is not what its content coding says is refused")
    func coding() async {
        var request = post(#"{"prompt":"a"}"#)
        request.contentCoding = .gzip
        #expect(await Answer(service(saying("x")).respond(to: request)).status == 400)
    }

    @Test(
        "x-request-id is the client's when it is harmless, else our own",
        arguments: [
            ("abc-1.2:3", true), (String(repeating: "a", count: 128), true),
            (String(repeating: "a", count: 129), false),
            ("", false), ("a b", false), ("a,b", false), ("a\"b", false), (nil, false),
        ] as [(String?, Bool)])
    func requestID(_ sent: String?, _ isKept: Bool) async throws {
        let name = try #require(HTTPField.Name("X-Request-Id"))
        for path in ["/health", "/nowhere"] {
            var request = request("GET", path)
            if let sent { request.head.headerFields[name] = sent }
            let got = try #require(await service(saying("x")).respond(to: request).head.headerFields[name])
            #expect((got == sent) == isKept)
            #expect(isKept || got.hasPrefix("req-") && got.count == 36)
        }
    }

    @Test("An answer quotes at most 64 bytes, cut between characters")
    func excerpt() async {
        let name = String(repeating: "é", count: 40_000)
        let answer = await service(saying("x")).answer(#"{"prompt":"a","model":"x\#(name)"}"#)
        #expect(answer.message == "The model `x\(String(repeating: "é", count: 31))…` does not exist.")
    }

    @Test("The error body, byte for byte")
    func body() async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a","n":0}"#)
        #expect(
            answer.text == #"{"error":{"message":"'n' must be an integer from 1 to 128, got 0.","#
                + #""type":"invalid_request_error","param":"n","code":null}}"#)
    }

    @Test(
        "While the model loads, all but life itself is 503 with Retry-After",
        arguments: [("GET", "/health"), ("GET", "/health/ready"), ("GET", "/v1/models"), ("POST", "/v1/completions")])
    func loading(method: String, path: String) async {
        let environment = ServiceEnvironment(now: { 0 }, random: { 1 }, pause: { _ in })
        let service = LoadingService(environment: environment)
        let answer = await Answer(service.respond(to: request(method, path)))
        #expect(answer.status == 503)
        #expect(answer.code == "model_loading")
        #expect(answer.fields[.retryAfter] != nil)
        #expect(await Answer(service.respond(to: request("GET", "/health/live"))).status == 200)
        #expect(await Answer(service.respond(to: request("GET", "/nowhere"))).status == 404)
    }
}
