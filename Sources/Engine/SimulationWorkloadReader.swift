import InferenceTypes

/// Why a trace could not be read.
package struct SimulationWorkloadError: Error, CustomStringConvertible, Equatable {
    /// From 1.
    package var line: Int
    package var message: String
    package var description: String { "line \(line): \(message)" }
}

/// Reads traces of requests: JSON lines as Mooncake publishes them (`timestamp` in ms, `input_length`, `output_length`,
/// `hash_ids`), JSON lines with `t` in seconds, `prompt_tokens`, `max_tokens`, and the CSV of the Azure traces.
package struct SimulationWorkloadReader {
    /// Tokens of one request at most.
    ///
    /// - Source: more than any context.
    private static let maxTokenCount: Int64 = 1 << 24
    /// - Source: a year.
    private static let maxSeconds = 366.0 * 86400

    private var entries: [SimulationWorkload.Entry] = []
    private var line = 0

    /// - Throws: at the first line that is not understood.
    package static func read(_ bytes: [UInt8]) throws(SimulationWorkloadError) -> SimulationWorkload {
        var reader = SimulationWorkloadReader()
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            reader.line += 1
            try reader.take(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
        }
        guard !reader.entries.isEmpty else { throw SimulationWorkloadError(line: reader.line, message: "no request") }
        let start = reader.entries.map(\.arrival).min() ?? 0
        for index in reader.entries.indices { reader.entries[index].arrival -= start }
        return SimulationWorkload(entries: reader.entries)
    }

    private mutating func take(_ text: ArraySlice<UInt8>) throws(SimulationWorkloadError) {
        guard !text.isEmpty else { return }
        if text.first == UInt8(ascii: "{") { return entries.append(try objectEntry(Array(text))) }
        if line == 1, text.elementsEqual("TIMESTAMP,ContextTokens,GeneratedTokens".utf8) { return }
        entries.append(try rowEntry(text))
    }

    private func failure(_ message: String) -> SimulationWorkloadError {
        SimulationWorkloadError(line: line, message: message)
    }
}

// MARK: - JSON lines

extension SimulationWorkloadReader {
    private func objectEntry(_ text: [UInt8]) throws(SimulationWorkloadError) -> SimulationWorkload.Entry {
        let value: JSONValue
        do throws(JSONParser.Failure) { value = try JSONParser.parse(text, limits: .request) } catch {
            throw failure("\(error.message), at byte \(error.offset)")
        }
        if value["timestamp"] != nil {
            return SimulationWorkload.Entry(
                arrival: try nanoseconds(value["timestamp"], "timestamp", perUnit: 1e6),
                promptTokenCount: try count(value["input_length"], "input_length"),
                generatedTokenCount: try count(value["output_length"], "output_length"),
                prefixes: try prefixes(value["hash_ids"]))
        }
        return SimulationWorkload.Entry(
            arrival: try nanoseconds(value["t"], "t", perUnit: 1e9),
            promptTokenCount: try count(value["prompt_tokens"], "prompt_tokens"),
            generatedTokenCount: try count(value["max_tokens"], "max_tokens"))
    }

    private func nanoseconds(
        _ value: JSONValue?, _ name: String, perUnit unit: Double
    ) throws(SimulationWorkloadError) -> UInt64 {
        guard let time = value?.asDouble, time >= 0, time * unit <= Self.maxSeconds * 1e9,
            let nanoseconds = UInt64(exactly: (time * unit).rounded())
        else { throw failure("\(name) has to be a time within a year, not below 0") }
        return nanoseconds
    }

    private func count(_ value: JSONValue?, _ name: String) throws(SimulationWorkloadError) -> Int {
        guard let count = value?.asInteger, (0...Self.maxTokenCount).contains(count) else {
            throw failure("\(name) has to be an integer of 0…\(Self.maxTokenCount)")
        }
        return Int(count)
    }

    private func prefixes(_ value: JSONValue?) throws(SimulationWorkloadError) -> [Int64] {
        guard let value else { return [] }
        let ids = value.asArray?.compactMap(\.asInteger)
        guard let ids, ids.count == value.asArray?.count else {
            throw failure("hash_ids has to be an array of integers")
        }
        return ids
    }
}

// MARK: - CSV

extension SimulationWorkloadReader {
    private func rowEntry(_ text: ArraySlice<UInt8>) throws(SimulationWorkloadError) -> SimulationWorkload.Entry {
        let fields = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard fields.count == 3 else { throw failure("expected three fields or a JSON object") }
        guard let arrival = timestamp(fields[0]) else {
            throw failure("expected a time as 2023-11-16 18:15:46.6805900")
        }
        guard let prompt = digits(fields[1]), let generated = digits(fields[2]), prompt <= Self.maxTokenCount,
            generated <= Self.maxTokenCount
        else { throw failure("expected two counts of 0…\(Self.maxTokenCount)") }
        return SimulationWorkload.Entry(
            arrival: arrival, promptTokenCount: Int(prompt), generatedTokenCount: Int(generated))
    }

    /// Nanoseconds since 1970, nil where it is no time.
    private func timestamp(_ text: ArraySlice<UInt8>) -> UInt64? {
        let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let date = parts[0].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false).map(digits)
        let time = parts[1].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard date.count == 3, time.count == 3, let year = date[0], let month = date[1], let day = date[2],
            let hour = digits(time[0]), let minute = digits(time[1]), let seconds = nanoseconds(time[2])
        else { return nil }
        guard (1970...2400).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60
        else {
            return nil
        }
        let minutes = (Self.dayNumber(year, month, day) * 24 + hour) * 60 + minute
        return UInt64(clamping: minutes) * 60_000_000_000 + seconds
    }

    /// Days since 1970.
    ///
    /// - Source: Howard Hinnant, days_from_civil.
    private static func dayNumber(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).quotientAndRemainder(dividingBy: 400)
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// `46.6805900` in nanoseconds; nine digits after the point at most.
    private func nanoseconds(_ text: ArraySlice<UInt8>) -> UInt64? {
        let parts = text.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap(digits), whole < 61 else { return nil }
        guard parts.count == 2 else { return UInt64(whole) * 1_000_000_000 }
        guard parts[1].count <= 9, let fraction = digits(parts[1]) else { return nil }
        let scale = (parts[1].count..<9).reduce(Int64(1)) { scale, _ in scale * 10 }
        return UInt64(whole) * 1_000_000_000 + UInt64(fraction * scale)
    }

    /// Digits alone, twelve at most.
    private func digits(_ text: ArraySlice<UInt8>) -> Int64? {
        guard (1...12).contains(text.count) else { return nil }
        var value: Int64 = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
