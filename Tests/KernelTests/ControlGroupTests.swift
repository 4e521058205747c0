// Where a control group may be made, from the texts of /proc that say it.

import LinuxABI
import Testing

@testable import Kernel

@Suite struct ControlGroupTests {
  private func mount(_ line: String) throws -> MountInfo { try #require(MountInfo(Array(line.utf8)[...])) }

  private func hierarchy(_ line: String, _ mounts: [MountInfo]) -> Hierarchy? {
    Hierarchy(Array(line.utf8)[...], mounts)
  }

  private func texts(_ hierarchy: Hierarchy?) -> [String]? {
    hierarchy?.candidates.map { String(decoding: $0, as: UTF8.self) }
  }

  /// A group with members cannot hand controllers on, so that those above it are asked too.
  @Test func versionTwoOffersTheGroupsAbove() throws {
    let mounts = [try mount("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate")]
    let found = hierarchy("0::/user.slice/user-0.slice/session-1.scope", mounts)
    #expect(found?.isVersion1 == false)
    #expect(
      texts(found) == [
        "/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope", "/sys/fs/cgroup/user.slice/user-0.slice",
        "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup",
      ])
    #expect(texts(hierarchy("0::/", mounts)) == ["/sys/fs/cgroup"])
  }

  @Test func versionOneOffersOurGroupOfTheHierarchyWithTheController() throws {
    let mounts = [
      try mount("40 30 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"),
      try mount("41 30 0:34 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"),
    ]
    let found = hierarchy("8:memory:/job/1", mounts)
    #expect(texts(found) == ["/sys/fs/cgroup/memory/job/1"])
    #expect(found?.has("memory") == true)
    #expect(found?.has("cpu") == false)
    #expect(hierarchy("4:cpuacct,cpu:/", mounts)?.has("cpu") == true)
    #expect(texts(hierarchy("3:pids:/", mounts)) == nil)
  }

  /// In a container what is mounted is itself a group of the host's hierarchy.
  @Test func pathsAreCountedFromWhatIsMounted() throws {
    let mounts = [try mount("41 30 0:34 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory")]
    #expect(texts(hierarchy("8:memory:/docker/abc/x", mounts)) == ["/sys/fs/cgroup/memory/x"])
    #expect(texts(hierarchy("8:memory:/docker/abc", mounts)) == ["/sys/fs/cgroup/memory"])
    // A group beside it is not to be seen here.
    #expect(texts(hierarchy("8:memory:/other", mounts)) == nil)
  }
}
