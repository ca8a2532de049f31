/// How weights come into memory: packed anew, or from a file that an earlier start packed.
package struct WeightLoading {
    package enum Phase: Sendable, Equatable {
        /// A file of packed weights is brought into memory and looked through for damage.
        case checking
        case packing
        case writing
    }

    /// What happens meanwhile, in this order: the checking of a file, if there is one; packing, unless it could be used;
    /// writing.
    package enum Event: Sendable, Equatable {
        /// - Units: bytes. Ascending within a phase, and `total` at its end.
        case progress(Phase, done: Int, total: Int)
        /// The weights are those of this file.
        case mapped(file: String)
        /// A file is there, and not used.
        case unused(file: String, reason: String)
        case written(file: String)
        /// The next start packs again.
        case notWritten(file: String, reason: String)
    }

    /// Nil keeps nothing.
    package var cache: PackedCacheLocation?
    /// Called on the thread that loads.
    package var report: (Event) -> Void

    package init(cache: PackedCacheLocation? = nil, report: @escaping (Event) -> Void = { _ in }) {
        self.cache = cache
        self.report = report
    }
}

/// Where packed weights are kept.
package enum PackedCacheLocation: Sendable, Equatable {
    /// In the model's folder, under the model's name: one file for each model.
    case beside(folder: String, name: String)
    /// In a folder for many models: a file for each model, by its path, and for each way to pack it. `model` is nil for
    /// what is linked into the program.
    case folder(String, model: String?)
}
