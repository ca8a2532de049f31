/// A model family that a checkpoint may belong to. A family is data: a configuration and a table of tensor names.
package enum ModelFamily: String, Sendable, Equatable, CaseIterable {
    /// Llama 1 to 3 and its likes: Mistral, SmolLM, TinyLlama.
    case llama
    /// Qwen 2 and 2.5.
    case qwen2
    case qwen3
    case gpt2
}

/// What the forward pass must know of a model; with the weights it is the whole model.
package struct ModelConfiguration: Sendable, Equatable {
    package var family: ModelFamily
    /// For people: `general.name`, or the name of the file or directory.
    package var name: String
    package var hiddenSize: Int
    package var layerCount: Int
    package var queryHeadCount: Int
    /// Divides `queryHeadCount`: a KV head serves `queryHeadCount / keyValueHeadCount` query heads in a row.
    package var keyValueHeadCount: Int
    /// Not always `hiddenSize / queryHeadCount`.
    package var headDimension: Int
    package var feedForwardSize: Int
    /// Rows of the embedding. The tokeniser may know fewer tokens.
    package var vocabularyCount: Int
    /// Positions that the model was made for.
    package var contextCount: Int
    package var norm: Norm
    package var positions: PositionEncoding
    package var feedForward: FeedForward
    package var biases: Biases
    package var queryKeyNorm: QueryKeyNorm
    /// A token at position p sees positions `p - attentionWindow + 1 ... p`. Nil when it sees all, also when the window
    /// is not smaller than the context.
    package var attentionWindow: Int?
    /// Whether embedding and head are one tensor. `TensorNames` then names it for both.
    package var tiedEmbeddings: Bool

    package init(
        family: ModelFamily, name: String, hiddenSize: Int, layerCount: Int, queryHeadCount: Int,
        keyValueHeadCount: Int, headDimension: Int, feedForwardSize: Int, vocabularyCount: Int, contextCount: Int,
        norm: Norm, positions: PositionEncoding, feedForward: FeedForward, biases: Biases = [],
        queryKeyNorm: QueryKeyNorm = .none, attentionWindow: Int? = nil, tiedEmbeddings: Bool
    ) {
        self.family = family
        self.name = name
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.queryHeadCount = queryHeadCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headDimension = headDimension
        self.feedForwardSize = feedForwardSize
        self.vocabularyCount = vocabularyCount
        self.contextCount = contextCount
        self.norm = norm
        self.positions = positions
        self.feedForward = feedForward
        self.biases = biases
        self.queryKeyNorm = queryKeyNorm
        self.attentionWindow = attentionWindow
        self.tiedEmbeddings = tiedEmbeddings
    }

    /// Outputs of the query projection.
    package var querySize: Int { queryHeadCount * headDimension }
    /// Outputs of the key projection, and of the value projection.
    package var keyValueSize: Int { keyValueHeadCount * headDimension }
}

/// How a vector is brought to unit scale before attention, before the feed-forward network and at the end.
package enum Norm: Sendable, Equatable {
    /// `x / sqrt(mean(x²) + epsilon) * weight`
    case rms(epsilon: Float)
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`
    case layer(epsilon: Float)

    package var epsilon: Float {
        switch self {
        case .rms(let epsilon), .layer(let epsilon): epsilon
        }
    }
}

package enum PositionEncoding: Sendable, Equatable {
    /// Queries and keys are rotated.
    case rotary(Rotary)
    /// A row of the position embedding is added to the token's.
    case learned
}

/// Rotary position embedding: pair `i` of a head turns by `position * base^(-2i / dimension)`, scaled.
package struct Rotary: Sendable, Equatable {
    /// Which elements of a head make pair `i`.
    package enum Layout: Sendable, Equatable {
        /// `i` and `i + dimension / 2`: Hugging Face files, and GGUF files of Qwen.
        case halfSplit
        /// `2i` and `2i + 1`: GGUF files of Llama, whose query and key rows the converter permutes.
        case interleaved
    }

    /// What happens to the frequency `f` of a pair.
    package enum Scaling: Sendable, Equatable {
        case none
        /// `f / factor`
        case linear(factor: Double)
        /// Wavelengths past `originalContext / low` are divided by `factor`, those under `originalContext / high` are
        /// kept, those between are blended.
        case llama3(factor: Double, low: Double, high: Double, originalContext: Int)
        /// `f / factor[i]`, the factors being tensor `TensorRole.frequencyFactors`, F32, `[dimension / 2]`.
        case frequencyFactors
    }

    package var base: Double
    /// Elements of a head that turn, from the first; even, at most `headDimension`.
    package var dimension: Int
    package var layout: Layout
    package var scaling: Scaling

    package init(base: Double, dimension: Int, layout: Layout, scaling: Scaling) {
        self.base = base
        self.dimension = dimension
        self.layout = layout
        self.scaling = scaling
    }
}

package enum Activation: Sendable, Equatable {
    case silu
    /// `0.5 x (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))`
    case geluTanh
    /// `0.5 x (1 + erf(x / sqrt(2)))`
    case geluErf
}

package enum FeedForward: Sendable, Equatable {
    /// `down(activation(gate(x)) * up(x))`
    case gated(Activation)
    /// `down(activation(up(x)))`
    case plain(Activation)
}

/// Which projections add a bias. Norms have one exactly when they are `Norm.layer`.
package struct Biases: OptionSet, Sendable, Equatable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Query, key and value.
    package static let attentionQKV = Biases(rawValue: 1)
    package static let attentionOutput = Biases(rawValue: 2)
    /// Up and down, and gate where there is one.
    package static let feedForward = Biases(rawValue: 4)
}

/// Whether queries and keys are normalised before they are rotated.
package enum QueryKeyNorm: Sendable, Equatable {
    case none
    /// Each head by itself, with one weight `[headDimension]` for all query heads and one for all key heads.
    case perHead
}
