package import HTTPTypes

/// What a handler answers: a head, and a body that is there or still comes.
package struct ServerResponse: Sendable {
    package var head: HTTPResponse
    package var body: Body

    package enum Body: Sendable {
        case bytes([UInt8])
        /// Pulled piece by piece as the client takes them; ending the iteration early cancels the producer.
        case stream(AsyncStream<[UInt8]>)
    }

    package init(head: HTTPResponse, body: Body) {
        self.head = head
        self.body = body
    }
}
