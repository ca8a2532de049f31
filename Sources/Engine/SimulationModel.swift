import InferenceTypes
import Transformer

/// Stands in for the model: its scores are a hash of the whole context, read back through the block tables from where the
/// plan said that K and V are. A wrong slot, table, position, or a block shared by mistake, changes every token after it.
///
/// Each slot keeps its token and a hash of the context up to there, so that a token costs one hash.
final class SimulationModel {
    private let blockSize: Int
    private(set) var tokens: [TokenID]
    private(set) var hashes: [UInt64]
    /// What was written to the first slot of a block, or copied into it, and when: rises with each.
    private(set) var births: [Int]
    private var birthCount = 0
    /// Blocks that the last step wrote to.
    private(set) var writtenBlocks: [Int32] = []
    /// Steps that wrote, and that read, a slot last.
    private var writeSteps: [Int]
    private var readSteps: [Int]
    private(set) var stepCount = 0
    /// What was wrong with a plan. A model that throws is something else: an error that the engine survives.
    private(set) var violation: SimulationViolation?
    private(set) var copyCount = 0
    private(set) var storedCount = 0
    private let logits = Logits(vocabularyCount: SimulationVocabulary.count)
    private var rowHashes: [UInt64] = []
    /// Folds everything that was asked of the model.
    private(set) var log: UInt64 = 0

    init(_ configuration: EngineConfiguration) {
        blockSize = configuration.blockSize
        let slotCount = configuration.blockCount * configuration.blockSize
        tokens = Array(repeating: -1, count: slotCount)
        hashes = Array(repeating: 0, count: slotCount)
        writeSteps = Array(repeating: -1, count: slotCount)
        readSteps = writeSteps
        births = Array(repeating: 0, count: configuration.blockCount)
    }

    /// Hash of no token.
    static let root: UInt64 = 0x6E65_6564_6C65

    static func hash(_ context: UInt64, then token: TokenID) -> UInt64 {
        SimulationRandom.mix(context &* 31 &+ UInt64(truncatingIfNeeded: token) &+ 1)
    }

    /// Scores of the next token.
    static func score(
        after hash: UInt64, beginningWith first: TokenID, into row: UnsafeMutableBufferPointer<Float>
    ) {
        for token in row.indices { row[token] = Float(SimulationRandom.mix(hash &+ UInt64(token)) >> 40) * 0x1p-22 }
        if first == SimulationVocabulary.poison { row.update(repeating: .nan) }
        if first == SimulationVocabulary.silence { row.update(repeating: -.infinity) }
    }

    /// Before each step, whether it calls the model or not.
    func beginStep() { writtenBlocks.removeAll(keepingCapacity: true) }

    func forward(_ plan: BatchPlan) -> Logits {
        stepCount += 1
        do throws(SimulationViolation) {
            for copy in plan.blockCopies { try perform(copy) }
            rowHashes.removeAll(keepingCapacity: true)
            for row in 0..<plan.rowCount { try compute(row, of: plan) }
        } catch { violation = violation ?? error }
        return scores(plan)
    }

    private func scores(_ plan: BatchPlan) -> Logits {
        logits.resize(rowCount: plan.logitsIndices.count)
        var row = 0
        for (place, index) in plan.logitsIndices.enumerated() {
            while row + 1 < plan.rowCount, plan.rowStarts[row + 1] <= index { row += 1 }
            let first = Int(plan.blockTables[Int(plan.blockTableStarts[row])]) * blockSize
            let hash = Int(index) < rowHashes.count ? rowHashes[Int(index)] : 0
            Self.score(after: hash, beginningWith: tokens[first], into: logits.mutableRow(place))
        }
        return logits
    }
}

// MARK: - Rows

extension SimulationModel {
    private func compute(_ row: Int, of plan: BatchPlan) throws(SimulationViolation) {
        let range = Int(plan.rowStarts[row])..<Int(plan.rowStarts[row + 1])
        let table = plan.blockTables[Int(plan.blockTableStarts[row])..<Int(plan.blockTableStarts[row + 1])]
        let start = Int(plan.positions[range.lowerBound])
        try verify(table, upTo: start)
        var hash = start == 0 ? Self.root : hashes[slot(start - 1, table)]
        for index in range {
            let position = start + index - range.lowerBound
            try require(Int(plan.positions[index]) == position, 5, "row \(row) skips a position")
            hash = Self.hash(hash, then: plan.tokens[index])
            rowHashes.append(hash)
            log = SimulationRandom.mix(log ^ hash &+ UInt64(truncatingIfNeeded: plan.slots[index]))
            try store(plan.tokens[index], hash, at: slot(position, table), planned: plan.slots[index])
        }
        try require(Int(plan.contextCounts[row]) == start + range.count, 5, "row \(row) has another context count")
    }

    private func slot(_ position: Int, _ table: ArraySlice<Int32>) -> Int {
        Int(table[table.startIndex + position / blockSize]) * blockSize + position % blockSize
    }

    private func store(_ token: TokenID, _ hash: UInt64, at slot: Int, planned: Int32) throws(SimulationViolation) {
        if planned == BatchPlan.storedSlot {
            storedCount += 1
            try require(
                tokens[slot] == token && hashes[slot] == hash, 9, "slot \(slot) is not stored although the plan says so"
            )
            return
        }
        try require(Int(planned) == slot, 9, "the plan writes slot \(planned), the table says \(slot)")
        try require(writeSteps[slot] != stepCount, 9, "two tokens of a step go to slot \(slot)")
        try require(readSteps[slot] != stepCount, 9, "slot \(slot) is written in a step in which another row reads it")
        if slot % blockSize == 0 { bear(slot / blockSize) }
        note(written: slot / blockSize)
        writeSteps[slot] = stepCount
        tokens[slot] = token
        hashes[slot] = hash
    }

    /// The context before a row is one chain through the whole table.
    private func verify(_ table: ArraySlice<Int32>, upTo count: Int) throws(SimulationViolation) {
        var hash = Self.root
        for position in 0..<count {
            let slot = slot(position, table)
            hash = Self.hash(hash, then: tokens[slot])
            try require(hashes[slot] == hash, 9, "slot \(slot) is read as position \(position) and is not")
            readSteps[slot] = stepCount
        }
    }

    private func perform(_ copy: BatchPlan.BlockCopy) throws(SimulationViolation) {
        copyCount += 1
        let (source, destination) = (Int(copy.source), Int(copy.destination))
        try require(source != destination, 9, "block \(source) is copied onto itself")
        try require(!writtenBlocks.contains(copy.destination), 9, "block \(destination) is copied to twice")
        try require(!writtenBlocks.contains(copy.source), 9, "block \(source) is copied after it was written")
        bear(destination)
        note(written: destination)
        for offset in 0..<blockSize {
            tokens[destination * blockSize + offset] = tokens[source * blockSize + offset]
            hashes[destination * blockSize + offset] = hashes[source * blockSize + offset]
        }
        log = SimulationRandom.mix(log ^ UInt64(source &* 4096 &+ destination))
    }

    private func bear(_ block: Int) {
        birthCount += 1
        births[block] = birthCount
    }

    private func note(written block: Int) {
        if writtenBlocks.last != Int32(block) { writtenBlocks.append(Int32(block)) }
    }
}
