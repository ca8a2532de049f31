import Checkpoints
import Glibc

/// Frequencies of a model's rotary embedding, and the angles of a step's tokens.
///
/// Single precision where transformers computes in single precision: an angle of position 500 that differs in its last
/// bits already shows in the logits.
struct RotaryAngles {
    /// Turn per position of each pair, in radians.
    let frequencies: [Float]

    /// - Source: transformers `modeling_rope_utils.py`; Llama 3.1's scaling is described in its model card.
    init(_ rotary: Rotary, frequencyFactors: [Float]?) {
        frequencies = (0..<rotary.dimension / 2).map { pair in
            let exponent = Float(2 * pair) / Float(rotary.dimension)
            let plain = 1 / powf(Float(rotary.base), exponent)
            switch rotary.scaling {
            case .none: return plain
            case .linear(let factor): return plain / Float(factor)
            case .llama3(let factor, let low, let high, let originalContext):
                return Self.llama3(plain, factor: factor, low: low, high: high, originalContext: originalContext)
            case .frequencyFactors: return plain / (frequencyFactors?[pair] ?? 1)
            }
        }
    }

    private static func llama3(
        _ frequency: Float, factor: Double, low: Double, high: Double, originalContext: Int
    ) -> Float {
        let wavelength = 2 * Double.pi / Double(frequency)
        let turns = Double(originalContext) / wavelength
        if turns < low { return Float(Double(frequency) / factor) }
        if turns > high { return frequency }
        let smooth = (turns - low) / (high - low)
        return Float((1 - smooth) * Double(frequency) / factor + smooth * Double(frequency))
    }

    /// - Shapes: `cosines` and `sines` `[positions.count, pairs]`.
    func fill(_ positions: [Int32], cosines: UnsafeMutablePointer<Float>, sines: UnsafeMutablePointer<Float>) {
        var index = 0
        for position in positions {
            for frequency in frequencies {
                let angle = Float(position) * frequency
                cosines[index] = cosf(angle)
                sines[index] = sinf(angle)
                index += 1
            }
        }
    }
}
