/// A request that the engine has taken.
package struct Generation: Sendable {
    /// What the client hears. Who stops listening, by ending the iteration or by being cancelled, cancels the request.
    package let events: AsyncStream<GenerationEvent>
    /// Ends the request within a step; its choices end with `.cancelled`. Nothing where it has ended.
    package let cancel: @Sendable () -> Void

    package init(events: AsyncStream<GenerationEvent>, cancel: @escaping @Sendable () -> Void) {
        self.events = events
        self.cancel = cancel
    }
}
