import Glibc

/// The engine thread could not be made: the machine is out of threads or memory.
package struct EngineThreadError: Error, CustomStringConvertible {
    package var code: Int32
    package var description: String { "the engine thread could not be started: \(String(cString: strerror(code)))" }
}

/// A thread of its own for the engine: its long calls would starve the Swift pool and Dispatch's queues.
enum EngineThread {
    /// Runs `body` on a new thread, which ends with it.
    static func start(_ body: @escaping @Sendable () -> Void) throws(EngineThreadError) {
        let context = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { context in Self.enter(context) }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw EngineThreadError(code: code)
        }
        pthread_detach(thread)
    }

    private static func enter(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
        return nil
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
