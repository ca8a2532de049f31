import Dispatch

/// A Dispatch source that is on or off. Dispatch counts suspensions, traps on one too few, and on releasing a suspended
/// source; this does neither.
final class SourceSwitch {
    private let source: any DispatchSourceProtocol
    private(set) var isOn = false

    /// - Requires: the source was never resumed.
    init(_ source: any DispatchSourceProtocol) {
        self.source = source
    }

    func set(on: Bool) {
        guard on != isOn else { return }
        isOn = on
        if on { source.resume() } else { source.suspend() }
    }

    /// Ends the source; its cancel handler runs. Done at the latest when the switch goes.
    func cancel() {
        source.cancel()
        set(on: true)
    }

    deinit { cancel() }
}
