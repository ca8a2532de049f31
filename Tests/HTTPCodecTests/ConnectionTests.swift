import HTTPCodec
import HTTPTypes
import Testing

@Suite("A connection")
struct ConnectionTests {
    private static let date = MachinePlayer.date
    private static let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n".bytes

    private static func answer(_ machine: inout HTTPConnectionMachine, at now: Duration = .zero) -> String {
        var output: [UInt8] = []
        _ = machine.send(StubRoutes.json(.ok, "{}"), now: now, date: date, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private static func path(_ event: HTTPConnectionEvent) -> String? {
        guard case .deliver(let request) = event else { return nil }
        return String(decoding: request.path, as: UTF8.self)
    }

    private static func status(_ event: HTTPConnectionEvent) -> Int? {
        guard case .reject(let error) = event else { return nil }
        return error.status.code
    }

    private static func isClose(_ event: HTTPConnectionEvent) -> Bool {
        if case .close = event { true } else { false }
    }

    @Test("requests sent ahead wait until the former is answered and taken")
    func pipelining() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        let second = "GET /b HTTP/1.1\r\nHost: a\r\n\r\n".bytes
        #expect(Self.path(machine.receive(Self.get + second, now: .zero)) == "/a")
        #expect(Self.path(machine.receive(Self.get, now: .zero)) == nil)
        #expect(Self.path(machine.advance(now: .zero)) == nil)
        _ = Self.answer(&machine)
        #expect(Self.path(machine.receive(second, now: .zero)) == nil)
        #expect(Self.path(machine.advance(now: .zero)) == "/b")
        _ = Self.answer(&machine)
        #expect(Self.path(machine.advance(now: .zero)) == "/a")
        _ = Self.answer(&machine)
        #expect(Self.path(machine.advance(now: .zero)) == "/b")
        _ = Self.answer(&machine)
        #expect(Self.path(machine.advance(now: .zero)) == nil)
        #expect(machine.isIdle)
    }

    @Test("a client that sends 64 KiB ahead is no longer read from")
    func backPressure() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = machine.receive(Self.get, now: .zero)
        #expect(machine.wantsInput)
        _ = machine.receive([UInt8](repeating: 0, count: 65535), now: .zero)
        #expect(machine.wantsInput)
        _ = machine.receive([0], now: .zero)
        #expect(!machine.wantsInput)
    }

    @Test("each wait has its own end")
    func deadlines() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .seconds(100))
        #expect(machine.deadline == .seconds(175))
        _ = machine.receive("POST / HTTP/1.1\r\n".bytes, now: .seconds(110))
        _ = machine.receive("Host: a\r\n".bytes, now: .seconds(120))
        #expect(machine.deadline == .seconds(125))
        _ = machine.receive("Content-Length: 9\r\n\r\n".bytes, now: .seconds(121))
        #expect(machine.deadline == .seconds(131))
        for second in stride(from: 130, through: 180, by: 9) {
            _ = machine.receive([32], now: .seconds(second))
        }
        #expect(machine.deadline == .seconds(181))
        #expect(Self.status(machine.expire(now: .seconds(180))) == nil)
        #expect(Self.status(machine.expire(now: .seconds(181))) == 408)
        #expect(machine.deadline == nil)
        #expect(Self.answer(&machine).contains("Connection: close"))
        machine.beginLingering(now: .seconds(200))
        #expect(machine.deadline == .seconds(202))
        #expect(Self.isClose(machine.expire(now: .seconds(202))))
    }

    @Test("an idle connection is closed without a word, a half-sent head is told")
    func idle() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        #expect(Self.isClose(machine.expire(now: .seconds(75))))
        _ = machine.receive("G".bytes, now: .seconds(1))
        #expect(Self.status(machine.expire(now: .seconds(16))) == 408)
    }

    @Test("while an answer is made nothing expires; then the idle time begins")
    func answering() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = machine.receive(Self.get, now: .seconds(1))
        #expect(machine.deadline == nil)
        _ = Self.answer(&machine, at: .seconds(500))
        _ = machine.advance(now: .seconds(501))
        #expect(machine.deadline == .seconds(576))
    }

    @Test("after an hour an answer is the last")
    func age() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = machine.receive(Self.get, now: .zero)
        #expect(!Self.answer(&machine, at: .seconds(3599)).contains("Connection: close"))
        _ = machine.advance(now: .seconds(3599))
        _ = machine.receive(Self.get, now: .seconds(3600))
        #expect(Self.answer(&machine, at: .seconds(3600)).contains("Connection: close"))
        #expect(machine.isClosing)
    }

    @Test("draining closes the idle, and makes a running answer the last")
    func drain() {
        var idle = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        idle.drain()
        #expect(idle.isClosing)
        var busy = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = busy.receive(Self.get, now: .zero)
        busy.drain()
        #expect(Self.answer(&busy).contains("Connection: close"))
        #expect(busy.isClosing)
        // Ordered between an answer that promised to stay and the next request.
        var answered = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = answered.receive(Self.get, now: .zero)
        _ = Self.answer(&answered)
        answered.drain()
        _ = answered.advance(now: .zero)
        #expect(answered.isClosing)
    }

    @Test("a closing connection throws away up to 256 KiB")
    func lingering() {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        #expect(Self.status(machine.receive("\0".bytes, now: .zero)) == 400)
        _ = Self.answer(&machine)
        machine.beginLingering(now: .zero)
        #expect(!Self.isClose(machine.receive([UInt8](repeating: 0, count: 256 << 10), now: .zero)))
        #expect(Self.isClose(machine.receive([0], now: .zero)))
    }

    @Test("100 is sent once, before the body is read, also when that is here already")
    func expectContinue() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
        let seen = MachinePlayer.play((head + "{}").bytes)
        #expect(seen.interimCount == 1)
        #expect(seen == MachinePlayer.play((head + "{}").bytes, pieces: { 1 }))
        let old = MachinePlayer.play((head.replacing("1.1", with: "1.0") + "{}").bytes)
        #expect(old.interimCount == 0)
    }

    @Test("a request carries its parts")
    func request() throws {
        let head = "POST http://b:1/v1/x?q=1&r HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 2\r\n\r\nhi"
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        guard case .deliver(let request) = machine.receive(head.bytes, now: .zero) else {
            Issue.record("not delivered")
            return
        }
        #expect(request.head.method == .post)
        #expect(request.head.authority == "b:1")
        #expect(request.head.path == "/v1/x?q=1&r")
        #expect(request.path == "/v1/x".bytes)
        #expect(request.query == "q=1&r".bytes)
        #expect(request.body == "hi".bytes)
        let name = try #require(HTTPField.Name("X-A"))
        #expect(request.head.headerFields[values: name] == ["1", "2"])
    }

    @Test(
        "an error is JSON of the API's shape",
        arguments: [
            (
                HTTPError(.badRequest, "a \"b\" \\ \n"),
                #"{"error":{"message":"a \"b\" \\ ","type":"invalid_request_error","param":null,"code":null}}"#
            ),
            (
                HTTPError(.requestTimeout, "x"),
                #"{"error":{"message":"x","type":"invalid_request_error","param":null,"code":"request_timeout"}}"#
            ),
            (
                HTTPError(.internalServerError, "x"),
                #"{"error":{"message":"x","type":"server_error","param":null,"code":null}}"#
            ),
        ])
    func errorBody(_ error: HTTPError, _ json: String) throws {
        guard case .bytes(let body) = error.response.body else {
            Issue.record("an error without a body")
            return
        }
        #expect(String(decoding: body, as: UTF8.self) == json)
        #expect(error.response.head.headerFields[.contentType] == "application/json")
    }
}
