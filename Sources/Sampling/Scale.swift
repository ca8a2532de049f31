/// Division by the temperature.
struct Scale {
    var temperature: Float

    /// A score too large for its type is the largest one there is: of ±∞ no probability could be made. So is what stood
    /// for a masked token.
    @inline(__always)
    func callAsFunction(_ lanes: Lanes) -> Lanes {
        guard temperature != 1 else { return lanes }
        let scores = lanes / temperature
        let limit = Lanes(repeating: .greatestFiniteMagnitude)
        return scores.replacing(with: limit, where: scores .> limit).replacing(with: -limit, where: scores .< -limit)
    }
}
