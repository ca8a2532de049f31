/// The completions that run, by id, so that they can be ended by it.
///
/// Who starts a completion reserves its id, attaches what ends it once the engine has taken it, and ends its entry; an
/// entry that is let go of ends itself a moment later.
package actor LiveCompletions {
    private var slots: [Name: Slot] = [:]
    private var entryCount: UInt64 = 0

    /// Each owner has ids of his own, so that nobody hears of another's.
    fileprivate struct Name: Hashable {
        var owner: String?
        var id: [UInt8]
    }

    private struct Slot {
        /// Which entry it belongs to: an id may come again.
        var number: UInt64
        var cancels: [@Sendable () -> Void] = []
        var isCancelled = false
    }

    package init() {}

    /// A completion's place while it lives.
    package final class Entry: Sendable {
        private let completions: LiveCompletions
        private let id: Name
        private let number: UInt64

        fileprivate init(_ completions: LiveCompletions, id: Name, number: UInt64) {
            self.completions = completions
            self.id = id
            self.number = number
        }

        /// - Parameter cancels: each ends one of the completion's generations, now if it was cancelled meanwhile.
        package func attach(_ cancels: [@Sendable () -> Void]) async {
            await completions.attach(cancels, to: id, number)
        }

        /// The completion is over; its id is free.
        package func end() async { await completions.remove(id, number) }

        deinit {
            let (completions, id, number) = (completions, id, number)
            Task { await completions.remove(id, number) }
        }
    }

    /// Nil where the id is that of a completion of this owner that runs.
    package func reserve(_ id: [UInt8], owner: String? = nil) -> Entry? {
        let id = Name(owner: owner, id: id)
        guard slots[id] == nil else { return nil }
        entryCount += 1
        slots[id] = Slot(number: entryCount)
        return Entry(self, id: id, number: entryCount)
    }

    /// Ends a completion: its choices end with `.cancelled` within a step, and its client hears so.
    ///
    /// - Parameter orAnybodys: completions of other owners count, too.
    /// - Returns: false where none with this id runs.
    package func cancel(_ id: [UInt8], owner: String? = nil, orAnybodys: Bool = false) -> Bool {
        let names = slots.keys.filter { $0.id == id && (orAnybodys || $0.owner == owner) }
        for name in names {
            slots[name]?.isCancelled = true
            for cancel in slots[name]?.cancels ?? [] { cancel() }
        }
        return !names.isEmpty
    }

    private func attach(_ cancels: [@Sendable () -> Void], to id: Name, _ number: UInt64) {
        guard let slot = slots[id], slot.number == number else { return }
        slots[id]?.cancels += cancels
        if slot.isCancelled { for cancel in cancels { cancel() } }
    }

    private func remove(_ id: Name, _ number: UInt64) {
        if slots[id]?.number == number { slots[id] = nil }
    }
}
