// The table of system calls agrees with itself and with libseccomp's list of names.

import CSeccomp
import Glibc
import Gate
import Kernel
import LinuxABI
import Testing

@testable import Sentry

@Suite struct SystemCallTableTests {
  private let rows = SystemCallTable.all.rows

  static let policies: [GatePolicy] = IsolationLevel.allCases.flatMap { isolation in
    NetworkAccess.allCases.flatMap { network in
      [GateKind.trace, .notify].flatMap { gate in
        [false, true].map { countsTasks in
          GatePolicy(
            isolation: isolation, network: network, gate: gate,
            layout: TrampolineLayout(flagsSecret: 1 << 40, descriptorSecret: 1 << 41), countsTasks: countsTasks)
        }
      }
    }
  }

  @Test func everyNumberHasOneRow() {
    #expect(SystemCallTable.all.conflicts == [])
    // 337 ... 423 are no calls on x86-64.
    for number in 0..<DispositionTable.count {
      #expect((rows[number] != nil) == !(337...423).contains(number), "\(number)")
    }
  }

  @Test func namesAgreeWithLibseccomp() throws {
    var compared = 0
    for case let row? in rows {
      guard let known = seccomp_syscall_resolve_num_arch(0xc000_003e, CInt(row.number)) else { continue }
      #expect(row.name.description == String(cString: known))
      free(known)
      compared += 1
    }
    #expect(compared > 350)
  }

  /// A call that a gate stops and no handler serves would be refused; a handler that no gate asks would be dead.
  @Test func whatAGateStopsHasAHandlerAndTheOtherWayRound() {
    let tables = Self.policies.map { SystemCallTable.dispositions($0) }
    for case let row? in rows {
      let isStopped = tables.contains { $0.mayTrace(row.number) || $0.mayNotify(row.number) }
      #expect(isStopped == SystemCallTable.serves(row.number), "\(row.name)")
      #expect(!row.mayBeRepeated || isStopped, "\(row.name)")
    }
  }

  @Test func whatIsRefusedSaysWhy() {
    for case let row? in rows {
      guard case .always(let policy) = row.treatment, case .errno = policy.otherwise, policy.rules.isEmpty else {
        continue
      }
      #expect(!row.note.isEmpty, "\(row.name)")
    }
  }

  private func shown(_ name: String, _ arguments: [UInt64], _ strings: [(UInt64, String)] = []) -> [String] {
    guard let row = rows.compactMap(\.self).first(where: { "\($0.name)" == name }) else { return [] }
    var traced = TracedStrings()
    for (address, string) in strings { traced.append(Array(string.utf8), at: address) }
    let padded = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
    let call = SystemCall(
      number: row.number, arguments: (padded[0], padded[1], padded[2], padded[3], padded[4], padded[5]))
    return SystemCallTable.arguments(of: call, traced).map { "\($0.0) \($0.1)" }
  }

  @Test func argumentsAreShownByName() {
    #expect(
      shown("openat", [UInt64(bitPattern: -100), 8, 0o2000101, 0o644], [(8, "/x")]).joined(separator: ", ")
        == "dirfd descriptor(-100), path bytes([47, 120]), flags flags([\"O_WRONLY\", \"O_CREAT\", \"O_CLOEXEC\"], rest: 0), "
        + "mode octal(420)")
    // The upper half of an int is not looked at; one bit is another flag for another call.
    #expect(shown("unlinkat", [0xffff_ffff_0000_0003, 8, 0x200]).last == "flags flags([\"AT_REMOVEDIR\"], rest: 0)")
    #expect(shown("unlinkat", [0xffff_ffff_0000_0003, 8, 0x200]).first == "dirfd descriptor(3)")
    #expect(shown("faccessat2", [3, 8, 5, 0x200]).last == "flags flags([\"AT_EACCESS\"], rest: 0)")
    #expect(shown("faccessat2", [3, 8, 5, 0x200])[2] == "mode flags([\"R_OK\", \"X_OK\"], rest: 0)")
    #expect(shown("access", [8, 0]).last == "mode word(\"F_OK\")")
    #expect(shown("mknod", [8, 0o10644]).dropFirst().first == "mode mode(\"S_IFIFO\", 420)")
    #expect(shown("kill", [1, 9]).last == "sig word(\"SIGKILL\")")
    #expect(shown("fcntl", [3, 6, 8])[1] == "cmd word(\"F_SETLK\")")
    #expect(shown("prctl", [47])[0] == "option word(\"PR_CAP_AMBIENT\")")
    #expect(
      shown("mmap", [0, 4096, 3, 0x1002, 5]).dropFirst(2).prefix(2).joined(separator: ", ")
        == "prot flags([\"PROT_READ\", \"PROT_WRITE\"], rest: 0), flags flags([\"MAP_PRIVATE\", \"MAP_EXECUTABLE\"], rest: 0)"
    )
    #expect(shown("flock", [3, 6]).last == "operation flags([\"LOCK_EX\", \"LOCK_NB\"], rest: 0)")
    #expect(shown("chown", [8, 0xffff_ffff, 5]).dropFirst() == ["owner integer(-1)", "group integer(5)"])
  }

  /// What a handler is given is what the kernel would make of the register.
  @Test func registersAreTruncatedAsTheKernelDoes() {
    let register: UInt64 = 0x1234_5678_ffff_ff9c
    #expect(Descriptor(register: register).number == -100)
    #expect(DirectoryDescriptor(register: register).isCurrent)
    #expect(CInt(register: register) == -100)
    #expect(UInt32(register: register) == 0xffff_ff9c)
    #expect(AtFlags(register: 0xffff_ffff_0000_1000) == .emptyPath)
    #expect(Protection(register: 1 << 40).rawValue == 1 << 40)
    #expect(Device(register: register).number == 0xffff_ff9c)
    #expect(ByteCount(register: register).value == register)
    #expect(Int64(register: .max) == -1)
    #expect(Permissions(register: 0xffff_ffff_ffff_ffff).rawValue == 0o7777)
    #expect(Clock(register: UInt64(UInt32(bitPattern: ~1 << 3 | 2))).thread == 1)
    #expect(Clock(register: UInt64(UInt32(bitPattern: -6))).thread == 0)
    #expect(Clock(register: 7).thread == nil && Clock(register: UInt64(UInt32(bitPattern: ~5 << 3 | 3))).thread == nil)
  }

  @Test func aCallIsMadeOfValues() {
    let call = SystemCall(.kill, Descriptor(-1), Signal(rawValue: 9), Pointer<UInt8>(0x1000))
    #expect(call.number == 62 && call.arguments == (UInt64.max, 9, 0x1000, 0, 0, 0))
  }

  /// What the documentation says is what the table says: `make doc` writes the page.
  @Test func pageOfTheDocumentationIsTheTables() throws {
    let source = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let path = "/\(source)/Sources/Vedette/Vedette.docc/SystemCalls.md"
    let page = String(decoding: try Host.readFile(path), as: UTF8.self)
    #expect(page == SystemCallTable.page, "run `make doc`, or: vedette calls >\(path)")
  }
}
