import CoreMetrics
import Dispatch
import Testing

@testable import Telemetry

@Suite("Counting")
struct MetricRegistryTests {
    private func text(_ registry: MetricRegistry) -> String {
        String(decoding: PrometheusText.bytes(of: registry.snapshot()), as: UTF8.self)
    }

    @Test("counters, gauges and histograms come out as Prometheus' text format has them")
    func golden() {
        let registry = MetricRegistry([
            MetricFamily("a_total", "Things\nby \\ kind.", .counter),
            MetricFamily("b_seconds", "Times.", .histogram([0.5, 1, 2])),
        ])
        Counter(label: "a_total", dimensions: [("kind", "x\"y\\z\n")], factory: registry).increment(by: 3)
        Counter(label: "a_total", dimensions: [("kind", "b")], factory: registry).increment()
        let times = Recorder(label: "b_seconds", dimensions: [("model", "m")], factory: registry)
        for time in [0.25, 0.5, 1.5, 99] { times.record(time) }
        let gauge = Meter(label: "queue length", factory: registry)
        gauge.set(7)
        gauge.decrement(by: 2.5)
        #expect(
            text(registry) == """
                # HELP a_total Things\\nby \\\\ kind.
                # TYPE a_total counter
                a_total{kind="b"} 1
                a_total{kind="x\\"y\\\\z\\n"} 3
                # HELP b_seconds Times.
                # TYPE b_seconds histogram
                b_seconds_bucket{model="m",le="0.5"} 2
                b_seconds_bucket{model="m",le="1"} 2
                b_seconds_bucket{model="m",le="2"} 3
                b_seconds_bucket{model="m",le="+Inf"} 4
                b_seconds_sum{model="m"} 101.25
                b_seconds_count{model="m"} 4
                # TYPE queue_length gauge
                queue_length 4.5

                """)
    }

    @Test("a value on a bound is in its bucket; what is no number is not counted")
    func bounds() {
        var counts = HistogramCounts(bounds: [1, 2])
        for value in [1, 1.0000001, 2, 2.5, -3, .nan, .infinity] { counts.observe(value) }
        #expect(counts.counts == [2, 2, 1])
        #expect(abs(counts.sum - 3.5000001) < 1e-12)
    }

    @Test("a counter never falls")
    func rising() {
        let registry = MetricRegistry()
        let counter = FloatingPointCounter(label: "c", factory: registry)
        counter.increment(by: 2.5)
        counter.increment(by: -1)
        counter.increment(by: Double.nan)
        #expect(text(registry) == "# TYPE c counter\nc 2.5\n")
        counter.reset()
        #expect(text(registry).hasSuffix("c 0\n"))
    }

    @Test("timers are histograms of seconds, gauges hold the last value")
    func kinds() {
        let registry = MetricRegistry()
        CoreMetrics.Timer(label: "t", factory: registry).recordNanoseconds(30_000_000)
        Gauge(label: "g", factory: registry).record(4)
        let found = text(registry)
        #expect(found.contains("t_bucket{le=\"0.025\"} 0\nt_bucket{le=\"0.05\"} 1\n"))
        #expect(found.contains("t_sum 0.03\n"))
        #expect(found.hasPrefix("# TYPE g gauge\ng 4\n"))
    }

    @Test("labels cannot multiply without bound, nor names, nor change their kind")
    func limits() {
        let registry = MetricRegistry(limits: MetricRegistry.Limits(familyCount: 2, seriesCount: 3))
        for index in 0..<10 { Counter(label: "a", dimensions: [("i", "\(index)")], factory: registry).increment() }
        #expect(registry.snapshot().first?.samples.count == 3)
        #expect(registry.refusedSeriesCount == 7)
        Counter(label: "b", factory: registry).increment()
        Counter(label: "c", factory: registry).increment()
        Meter(label: "b", factory: registry).set(5)
        #expect(registry.snapshot().map(\.family.name).sorted() == ["a", "b"])
        #expect(registry.refusedSeriesCount == 9)
        #expect(text(registry).hasSuffix("b 1\n"))
    }

    @Test("names and labels become what the format allows")
    func names() {
        let registry = MetricRegistry()
        let labels = [("le", "1"), ("__x", "2"), ("9-é", "3"), ("le", "4"), ("v", String(repeating: "é", count: 200))]
        Counter(label: "1.a-b:c", dimensions: labels, factory: registry).increment()
        let value = String(repeating: "é", count: 64)
        #expect(
            text(registry)
                == "# TYPE _1_a_b:c counter\n_1_a_b:c{own_le=\"1\",own___x=\"2\",_9___=\"3\",v=\"\(value)\"} 1\n")
    }

    @Test("a destroyed series is gone, and its handle counts nothing")
    func destroyed() {
        let registry = MetricRegistry()
        let counter = Counter(label: "a", factory: registry)
        counter.increment()
        counter.destroy()
        counter.increment()
        #expect(text(registry) == "")
    }

    @Test("nothing is lost when many count at once")
    func together() {
        let registry = MetricRegistry([MetricFamily("h", "", .histogram([10]))])
        let (counter, recorder) = (Counter(label: "a", factory: registry), Recorder(label: "h", factory: registry))
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for _ in 0..<1000 {
                counter.increment()
                recorder.record(Int64(2))
            }
        }
        #expect(text(registry).contains("a 8000\n"))
        #expect(text(registry).contains("h_sum 16000\nh_count 8000\n"))
    }

    @Test(
        "numbers as Go's parser reads them",
        arguments: [
            (0, "0"), (-3, "-3"), (0.1, "0.1"), (1e15, "1000000000000000"), (1e300, "1e+300"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (1e-7, "1e-07"),
        ] as [(Double, String)])
    func numbers(value: Double, expected: String) { #expect(PrometheusText.number(value) == expected) }
}
