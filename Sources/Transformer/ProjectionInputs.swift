package import Checkpoints
package import Kernels

/// Where a forward pass multiplies: the matrices at one site read one input.
package enum ProjectionSite: Sendable, Hashable, CaseIterable {
    /// Queries, keys and values.
    case heads
    case attentionOutput
    /// Gate and up.
    case widening
    case down
    /// Once in a model, for the positions that want logits.
    case head

    /// Where the matrix of a role reads; nil for what is no matrix of a product.
    package init?(_ role: TensorRole) {
        switch role {
        case .query, .key, .value: self = .heads
        case .attentionOutput: self = .attentionOutput
        case .gate, .up: self = .widening
        case .down: self = .down
        case .head: self = .head
        default: return nil
        }
    }
}

/// What the products of a site are about to read.
///
/// - Shapes: `rows` `[tokens of the step, inputs]`, of the wanted positions for the head; valid during the call.
package struct ProjectionInput {
    package let site: ProjectionSite
    /// Nil for the head.
    package let layer: Int?
    package let rows: FloatRows
}

/// Hears of each input of a step in the order in which they are computed, on the thread that computes. Reads, and changes
/// nothing: the step's bits are the same with and without it.
package typealias ProjectionObserver = (ProjectionInput) -> Void

/// The length of each input feature over the tokens of a text: ‖x‖ of Wanda.
///
/// - Source: arXiv 2306.11695; a constant factor of all norms of a site changes no mask.
package final class InputNorms {
    private struct Place: Hashable {
        var site: ProjectionSite
        var layer: Int?
    }

    private var squares: [Place: [Double]] = [:]

    package init() {}

    /// Adds the squares of a step's rows, in doubles and in the order of tokens.
    package func add(_ input: ProjectionInput) {
        let rows = input.rows
        squares[Place(site: input.site, layer: input.layer), default: .init(repeating: 0, count: rows.columnCount)]
            .withUnsafeMutableBufferPointer { sums in
                precondition(sums.count == rows.columnCount)
                for row in 0..<rows.rowCount {
                    let values = rows.base + row * rows.stride
                    for column in sums.indices { sums[column] += Double(values[column]) * Double(values[column]) }
                }
            }
    }

    /// The norm of each input of a role's matrix; nil where nothing was heard of it.
    package func norms(of role: TensorRole, layer: Int?) -> [Float]? {
        ProjectionSite(role).flatMap { squares[Place(site: $0, layer: layer)] }?.map { Float($0.squareRoot()) }
    }
}
