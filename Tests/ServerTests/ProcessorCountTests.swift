import Testing

@testable import needletail

@Suite("Processors that compute")
struct ProcessorCountTests {
    @Test(
        "The processors that a process may run on",
        arguments: [
            ("Name:\tx\nCpus_allowed_list:\t0-3,8\nMems:\t0", [0, 1, 2, 3, 8]), ("Cpus_allowed_list:\t5", [5]),
            ("Cpus_allowed_list:\t3-1", nil), ("Cpus_allowed_list:\t0-99999999", nil), ("Cpus_allowed:\tff", nil),
            ("", nil),
        ] as [(String, [Int]?)])
    func allowed(_ status: String, _ processors: [Int]?) {
        #expect(ProcessorCount.allowed(status: status) == processors)
    }

    @Test(
        "Threads of one core count once",
        arguments: [
            ([0, 1, 2, 3], ["0,2", "1,3", "0,2", "1,3"], 2), ([0, 1], ["0-1", "0-1"], 1), ([0, 1], ["0", "1"], 2),
            ([3], ["", "", "", "1,3"], 1), ([0, 1, 2], [], 3),
        ] as [([Int], [String], Int)])
    func cores(_ processors: [Int], _ siblings: [String], _ count: Int) {
        let cores = ProcessorCount.coreCount(of: processors) { path in
            siblings.indices.first { path == "/sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list" }
                .map { siblings[$0] }
        }
        #expect(cores == count)
    }

    @Test(
        "A control group's quota, in either version, of the group and of those above it",
        arguments: [
            ("0::/a/b", ["/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"], 2),
            (
                "0::/a/b", ["/sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "/sys/fs/cgroup/a/cpu.max": "400000 100000"],
                4
            ),
            ("0::/", ["/sys/fs/cgroup/cpu.max": "10000 100000"], 1),
            ("0::/", ["/sys/fs/cgroup/cpu.max": "max 100000"], nil),
            ("0::/", ["/sys/fs/cgroup/cpu.max": "nonsense"], nil), ("0::/", [:], nil),
            (
                "4:cpu,cpuacct:/x",
                [
                    "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000\n",
                    "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
                ],
                3
            ),
            (
                "4:cpu,cpuacct:/x",
                [
                    "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "-1\n",
                    "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
                ],
                nil
            ),
            ("0::/", ["/sys/fs/cgroup/cpu.max": "1e300 1"], 4096),
        ] as [(String, [String: String], Int?)])
    func quota(_ membership: String, _ files: [String: String], _ count: Int?) {
        #expect(ControlGroups.processorQuota(membership: membership) { files[$0] } == count)
    }

    @Test("This machine has at least one, and no more than it has processors")
    func here() { #expect((1...4096).contains(MachineLimits.processorCount)) }
}
