/// An invariant that did not hold, by its number in the list that the simulator checks.
///
/// - Source: reliability.md section 10.
struct SimulationViolation: Error {
    /// 1 blocks and holders, 2 tables, 3 states, 4 answers, 5 budgets, 6 progress, 7 order and waiting, 8 cancellation,
    /// 9 contents and salts, 10 drain, 11 repetition.
    var invariant: Int
    var text: String

    init(_ invariant: Int, _ text: String) {
        self.invariant = invariant
        self.text = text
    }
}

/// Throws where something that always holds does not.
func require(
    _ condition: Bool, _ invariant: Int, _ text: @autoclosure () -> String
) throws(SimulationViolation) {
    guard condition else { throw SimulationViolation(invariant, text()) }
}

/// A seed under which the engine broke an invariant, and what led there.
package struct SimulationFailure: Error, CustomStringConvertible {
    package var seed: UInt64
    package var step: Int
    package var invariant: Int
    package var text: String
    /// The last actions, oldest first.
    package var trace: [String]

    package var description: String {
        "seed \(seed), step \(step), invariant \(invariant): \(text)\n"
            + trace.map { "    \($0)\n" }.joined()
    }
}
