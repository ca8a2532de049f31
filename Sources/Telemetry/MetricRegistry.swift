import Glibc

/// Every counter, gauge and histogram of the process, under one lock.
///
/// Who measures speaks swift-metrics, whose factory the registry is; who asks gets a snapshot. A name that was declared
/// has its help, its kind and its buckets; another gets the kind that it was asked for with. What does not fit the limits,
/// or the kind of its name, is counted nowhere but in `refusedSeriesCount`.
///
/// `@unchecked Sendable`: every stored variable is read and written under `mutex`, for the reason given at `Mailbox`.
package final class MetricRegistry: @unchecked Sendable {
    /// Bounds of what is remembered, whoever names the labels.
    package struct Limits: Sendable {
        package var familyCount = 256
        /// Of one family.
        package var seriesCount = 512

        package init(familyCount: Int = 256, seriesCount: Int = 512) {
            self.familyCount = familyCount
            self.seriesCount = seriesCount
        }
    }

    /// Names a series.
    struct Series: Sendable, Hashable {
        var name: String
        var labels: MetricLabels
    }

    /// What happens to a series.
    enum Change {
        case add(Double)
        case set(Double)
        case observe(Double)
        case reset
    }

    private struct Family {
        var family: MetricFamily
        var cells: [MetricLabels: Cell] = [:]
    }

    private struct Cell {
        var number = 0.0
        var histogram: HistogramCounts?
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let limits: Limits
    private var families: [String: Family] = [:]
    private var refusedCount = 0

    package init(_ declared: [MetricFamily] = [], limits: Limits = Limits()) {
        self.limits = limits
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        declare(declared)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

extension MetricRegistry {
    /// Names that will be used. One that is known already stays as it is.
    package func declare(_ declared: [MetricFamily]) {
        locked {
            for family in declared where families[family.name] == nil { families[family.name] = Family(family: family) }
        }
    }

    /// Series that were asked for and not made.
    package var refusedSeriesCount: Int { locked { refusedCount } }

    /// Opens a series at zero, or finds it.
    ///
    /// - Parameter fits: whether who asks can use a metric of this kind.
    /// - Returns: nil where it was refused.
    func open(
        _ name: String, _ pairs: [(String, String)], or fallback: MetricFamily.Kind, fits: (MetricFamily.Kind) -> Bool
    ) -> Series? {
        let series = Series(name: MetricName.metric(name), labels: MetricLabels(pairs))
        return locked {
            if families[series.name] == nil, families.count < limits.familyCount {
                families[series.name] = Family(family: MetricFamily(series.name, "", fallback))
            }
            guard let kind = families[series.name]?.family.kind, fits(kind), openCell(series, kind) else {
                refusedCount += 1
                return nil
            }
            return series
        }
    }

    private func openCell(_ series: Series, _ kind: MetricFamily.Kind) -> Bool {
        guard let family = families[series.name] else { return false }
        if family.cells[series.labels] != nil { return true }
        guard family.cells.count < limits.seriesCount else { return false }
        families[series.name]?.cells[series.labels] = Self.cell(kind)
        return true
    }

    private static func cell(_ kind: MetricFamily.Kind) -> Cell {
        if case .histogram(let bounds) = kind { Cell(histogram: HistogramCounts(bounds: bounds)) } else { Cell() }
    }

    /// Nothing where the series was closed.
    func apply(_ change: Change, to series: Series) {
        locked {
            guard let kind = families[series.name]?.family.kind else { return }
            switch (kind, change) {
            case (_, .reset):
                guard families[series.name]?.cells[series.labels] != nil else { return }
                families[series.name]?.cells[series.labels] = Self.cell(kind)
            case (.counter, .add(let amount)) where amount >= 0, (.gauge, .add(let amount)):
                families[series.name]?.cells[series.labels]?.number += amount
            case (.gauge, .set(let value)), (.gauge, .observe(let value)):
                families[series.name]?.cells[series.labels]?.number = value
            case (.histogram, .observe(let value)):
                families[series.name]?.cells[series.labels]?.histogram?.observe(value)
            default: break
            }
        }
    }

    /// Forgets a series.
    func close(_ series: Series) {
        locked { _ = families[series.name]?.cells.removeValue(forKey: series.labels) }
    }

    /// Everything at one moment.
    package func snapshot() -> [MetricSnapshot] {
        locked {
            families.values.map { family in
                MetricSnapshot(
                    family.family,
                    samples: family.cells.map { labels, cell in
                        MetricSnapshot.Sample(
                            labels: labels, value: cell.histogram.map { .histogram($0) } ?? .number(cell.number))
                    })
            }
        }
    }
}
