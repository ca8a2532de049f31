import InferenceTypes

/// What a step decided for a group; one for each part of the plan.
enum GroupOutcome {
    /// Nothing yet: more of its prompt is pending.
    case pending
    /// What its sequences are from now on, and what the client hears of the step.
    case advanced([Successor], [GenerationEvent])
    /// Nothing useful came out: all its choices end. The message is for the client.
    case failed(String)
}

/// A sequence of the next step: a copy of the one at `parent`, grown. A parent may have several successors, which share
/// its blocks, or none, whose blocks are then free.
struct Successor {
    /// Index in the group's sequences.
    var parent: Int
    var sequence: TokenSequence
}

/// An event and whom it is for.
struct Publication {
    var group: SequenceGroup
    var event: GenerationEvent
    /// Nothing follows for this group.
    var isLast: Bool
}
