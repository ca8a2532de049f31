import CKernels

/// One product of a list: `output (+)= input · weightᵀ + bias`.
package struct Product {
    package let weight: PackedMatrix
    package let bias: UnsafePointer<Float>?
    package let output: FloatRows
    package let store: StoreMode

    /// - Shapes: `weight [N, K]`, `bias [N]`, `output [M, N]`.
    package init(
        _ weight: PackedMatrix, bias: UnsafePointer<Float>?, into output: FloatRows, store: StoreMode = .replace
    ) {
        precondition(output.columnCount == weight.rowCount)
        self.weight = weight
        self.bias = bias
        self.output = output
        self.store = store
    }
}

/// Products as the C kernels take them, in memory of their own: made once, so that a step allocates nothing.
private final class ProductTable {
    let products: UnsafeMutableBufferPointer<nt_product>
    private let weights: UnsafeMutableBufferPointer<nt_packed>

    /// - Parameter list: each product's weights, and the rest of it.
    /// - Requires: all read rows of one kind and width.
    init(_ list: [(weight: PackedMatrix, product: nt_product)]) {
        precondition(
            list.allSatisfy {
                $0.weight.inputKind == list[0].weight.inputKind && $0.weight.columnCount == list[0].weight.columnCount
            })
        weights = .allocate(capacity: list.count)
        products = .allocate(capacity: list.count)
        for (index, entry) in list.enumerated() {
            weights.initializeElement(at: index, to: entry.weight.view)
            var product = entry.product
            product.w = weights.baseAddress.map { UnsafePointer($0 + index) }
            products.initializeElement(at: index, to: product)
        }
    }

    deinit {
        products.deallocate()
        weights.deallocate()
    }
}

/// Products of one input that are computed in one pass.
package struct Projections {
    package let inputKind: RowKind
    fileprivate let columnCount: Int
    fileprivate let rowCapacity: Int
    private let table: ProductTable

    /// - Requires: all read rows of one kind and width; their weights and outputs outlive this.
    package init(_ list: [Product]) {
        guard let first = list.first else { preconditionFailure("no products") }
        inputKind = first.weight.inputKind
        columnCount = first.weight.columnCount
        rowCapacity = list.reduce(Int.max) { min($0, $1.output.rowCount) }
        table = ProductTable(
            list.map { product in
                (
                    product.weight,
                    nt_product(
                        w: nil, bias: product.bias, out: product.output.base,
                        out_stride: Int64(product.output.stride), store: product.store.raw)
                )
            })
    }

    fileprivate var products: UnsafeMutableBufferPointer<nt_product> { table.products }
}

extension Workers {
    /// All products of the first `rowCount` rows of `input`, in one pass.
    package func project(_ input: ActivationRows, _ projections: Projections, rowCount: Int) {
        precondition(input.kind == projections.inputKind && input.columnCount == projections.columnCount)
        precondition(rowCount <= input.rowCount && rowCount <= projections.rowCapacity)
        var rows = input.view
        nt_project(
            handle, projections.products.baseAddress, Int32(projections.products.count), &rows, Int64(rowCount))
    }

    /// One product whose output lies elsewhere in each step.
    ///
    /// - Shapes: `weight [N, K]`, `output [M, N]`: as many rows of `input` as `output` has.
    package func project(_ input: ActivationRows, _ weight: PackedMatrix, into output: FloatRows) {
        precondition(input.kind == weight.inputKind && input.columnCount == weight.columnCount)
        precondition(output.columnCount == weight.rowCount && output.rowCount <= input.rowCount)
        var (rows, packed) = (input.view, weight.view)
        withUnsafePointer(to: &packed) { packed in
            var product = nt_product(
                w: packed, bias: nil, out: output.base, out_stride: Int64(output.stride), store: NT_STORE)
            nt_project(handle, &product, 1, &rows, Int64(output.rowCount))
        }
    }

    /// `output = activation(gate) · up`, or `activation(gate)` without `up`, made what the next product reads.
    ///
    /// - Parameter widening: the product of the gate and, where there is one, that of up.
    package func projectGated(
        _ input: ActivationRows, _ widening: Widening, rowCount: Int, into output: ActivationRows
    ) {
        precondition(input.kind == widening.inputKind && input.columnCount == widening.columnCount)
        precondition(output.columnCount == widening.outputColumnCount)
        precondition(rowCount <= input.rowCount && rowCount <= output.rowCount)
        var (rows, widened) = (input.view, output.view)
        nt_project_gated(
            handle, widening.gate, widening.up, widening.activation.raw, &rows, Int64(rowCount), &widened)
    }

    /// Norm of each row, made what the next product reads.
    ///
    /// - Parameters:
    ///   - bias: a layer norm's; nil for a root mean square norm.
    ///   - floats: where the output goes as floats, too.
    /// - Shapes: `input [M, K]`, `weight [K]`, `bias [K]`, `output [≥ M, K]`, `floats [≥ M, K]`.
    package func norm(
        _ input: FloatRows, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?, epsilon: Float,
        into output: ActivationRows, floats: FloatRows? = nil
    ) {
        precondition(input.columnCount == output.columnCount && input.rowCount <= output.rowCount)
        requireScratch(Self.normScratch(columnCount: input.columnCount))
        if let floats { precondition(floats.columnCount == input.columnCount && input.rowCount <= floats.rowCount) }
        var rows = output.view
        nt_norm_rows(
            handle, input.base, Int64(input.rowCount), Int64(input.stride), Int64(input.columnCount), weight, bias,
            epsilon, &rows, floats?.base, Int64(floats?.stride ?? 0))
    }

    /// Floats, made what the next product reads.
    ///
    /// - Shapes: `input [M, K]`, `output [≥ M, K]`.
    package func convert(_ input: FloatRows, into output: ActivationRows) {
        precondition(input.columnCount == output.columnCount && input.rowCount <= output.rowCount)
        var rows = output.view
        nt_convert_rows(handle, input.base, Int64(input.rowCount), Int64(input.stride), &rows)
    }
}

/// The products of a feed-forward network that make it wide.
package struct Widening {
    package let inputKind: RowKind
    package let activation: ActivationKind
    fileprivate let columnCount: Int
    fileprivate let outputColumnCount: Int
    private let table: ProductTable

    /// - Requires: gate and up have one shape and read rows of one kind; weights and biases outlive this.
    package init(
        gate: (weight: PackedMatrix, bias: UnsafePointer<Float>?),
        up: (weight: PackedMatrix, bias: UnsafePointer<Float>?)?,
        activation: ActivationKind
    ) {
        inputKind = gate.weight.inputKind
        columnCount = gate.weight.columnCount
        outputColumnCount = gate.weight.rowCount
        self.activation = activation
        if let up { precondition(up.weight.rowCount == gate.weight.rowCount) }
        table = ProductTable(
            ([gate] + (up.map { [$0] } ?? [])).map {
                ($0.weight, nt_product(w: nil, bias: $0.bias, out: nil, out_stride: 0, store: NT_STORE))
            })
    }

    fileprivate var gate: UnsafePointer<nt_product>? { UnsafePointer(table.products.baseAddress) }
    fileprivate var up: UnsafePointer<nt_product>? { table.products.count > 1 ? gate.map { $0 + 1 } : nil }
}
