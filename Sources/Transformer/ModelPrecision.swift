package import InferenceTypes
package import Kernels

/// What products are computed with.
package enum ComputeType: String, Sendable, CaseIterable {
    /// Weights as they are stored, activations as the processor multiplies them fastest: bytes in blocks of 32 for quantised
    /// weights, bfloats for bfloats.
    case native
    /// Everything in floats: up to eight times the memory and many times the time, the answers of an exact forward pass.
    case f32
}

/// What a model is computed with: a trade of exactness for time and memory.
package struct ModelPrecision: Sendable, Equatable {
    package var compute: ComputeType
    package var cache: CacheType
    /// What matrices of floats become while they are packed; nil leaves them. Of no effect where everything is computed in
    /// floats.
    package var quantize: ElementType?

    package init(compute: ComputeType, cache: CacheType, quantize: ElementType? = nil) {
        self.compute = compute
        self.cache = cache
        self.quantize = quantize
    }

    /// Floats throughout: what references are compared with.
    package static let exact = ModelPrecision(compute: .f32, cache: .f32)
}
