import InferenceTypes

/// What a step decided for a group; one for each part of the plan.
enum GroupOutcome {
    /// Its choices grew; none did while a prompt was only computed in part.
    case grown([Growth])
    /// Nothing useful came out: all its choices end. The message is for the client.
    case failed(String)
}

/// What a step added to one sequence.
struct Growth {
    /// Index in the group's sequences.
    var sequence: Int
    var tokens: [TokenID]
    var text: [UInt8]
    /// Nil while the choice goes on.
    var finishReason: FinishReason?
}

/// An event and whom it is for.
struct Publication {
    var group: SequenceGroup
    var event: GenerationEvent
    /// Nothing follows for this group.
    var isLast: Bool
}
