/// Why a choice ended. Each accepted request ends exactly once for each of its choices.
package enum FinishReason: Sendable, Equatable {
    /// The model said that it is done: an EOS token, which is not part of the text.
    case endOfSequence(TokenID)
    /// A token that the request named as an end; not part of the text unless asked for.
    case stopToken(TokenID)
    /// A stop string was completed; it and what follows it are not part of the text unless asked for.
    case stopString([UInt8])
    /// `maxTokens` tokens were generated, or the context is full.
    case length
    /// The time that the request gave itself is over.
    case maxTime
    /// It waited longer than a request may, and nothing of it was computed.
    case queueTimeout
    /// The request's own rules masked every token.
    case exhausted
    /// The client hung up or asked for it.
    case cancelled
    /// The server's fault. The message is for the client: plain, without paths or addresses.
    case failed(String)
}
