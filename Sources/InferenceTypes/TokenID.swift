/// A token's number: its row in the embedding and its column in the logits, `0 ..< vocabularyCount`.
///
/// 32 bits wide because the kernels and the plan's flat arrays are; ids from the wire are checked as `Int64` first.
package typealias TokenID = Int32
