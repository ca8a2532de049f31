import InferenceTypes

/// With whom a prefix is shared: requests of one scope find each other's blocks.
enum PrefixScope: Hashable {
    case shared(salt: [UInt8])
    /// Its own sequences only: beams that are computed anew still share what they have in common.
    case request(RequestID)
}

/// What a full block holds: these tokens, after everything that the block before it holds. Compared token by token, so
/// that no collision can hand out another's context.
struct PrefixKey: Hashable {
    enum Parent: Hashable {
        case root(PrefixScope)
        /// A registration that is never used twice, so that a chain breaks where one of its blocks is given out anew.
        case registration(UInt64)
    }

    var parent: Parent
    var tokens: [TokenID]
}

/// Which block holds which prefix.
struct PrefixIndex {
    struct Registration {
        let number: UInt64
        let key: PrefixKey
        /// It was found at least once.
        var isReused = false
        /// What the model thought of the block's tokens, where somebody asked.
        var scores: PromptScores?
    }

    private var blocks: [PrefixKey: Int32] = [:]
    private var registrations: [Registration?]
    private var lastNumber: UInt64 = 0

    init(blockCount: Int) { registrations = Array(repeating: nil, count: blockCount) }

    var count: Int { blocks.count }

    subscript(block: Int32) -> Registration? { registrations[Int(block)] }

    func block(_ key: PrefixKey) -> Int32? { blocks[key] }

    /// What the block after `block` is found under, at the start of a sequence where nil.
    func parent(_ block: Int32?, _ scope: PrefixScope) -> PrefixKey.Parent? {
        guard let block else { return .root(scope) }
        return registrations[Int(block)].map { .registration($0.number) }
    }

    mutating func insert(_ block: Int32, _ key: PrefixKey) {
        precondition(registrations[Int(block)] == nil && blocks[key] == nil, "a block is registered once")
        lastNumber += 1
        registrations[Int(block)] = Registration(number: lastNumber, key: key)
        blocks[key] = block
    }

    mutating func remove(_ block: Int32) {
        guard let registration = registrations[Int(block)] else { return }
        blocks[registration.key] = nil
        registrations[Int(block)] = nil
    }

    mutating func markReused(_ block: Int32) { registrations[Int(block)]?.isReused = true }

    /// Keeps what tells more.
    mutating func note(_ scores: PromptScores, of block: Int32) {
        guard let known = registrations[Int(block)]?.scores, known.topCount >= scores.topCount else {
            registrations[Int(block)]?.scores = scores
            return
        }
    }
}

/// Logprobs of the tokens of one block of a prompt, except that of the prompt's first token. Kept beside a cached prefix,
/// so that whoever wants them can start from it.
struct PromptScores: Equatable {
    /// How many of the most probable tokens each tells.
    var topCount: Int
    var logprobs: [TokenLogprobs]
}
