import CLinux
import Glibc
import LinuxABI
import Testing

/// The structures that LinuxABI spells out are the kernel's, field by field.
@Suite struct LayoutTests {
  @Test func fileStatus() {
    #expect(MemoryLayout<FileStatus>.size == MemoryLayout<stat>.size)
    #expect(MemoryLayout<FileStatus>.stride == MemoryLayout<stat>.stride)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<FileStatus>.offset(of: \.device), MemoryLayout<stat>.offset(of: \.st_dev)),
      (MemoryLayout<FileStatus>.offset(of: \.inode), MemoryLayout<stat>.offset(of: \.st_ino)),
      (MemoryLayout<FileStatus>.offset(of: \.linkCount), MemoryLayout<stat>.offset(of: \.st_nlink)),
      (MemoryLayout<FileStatus>.offset(of: \.mode), MemoryLayout<stat>.offset(of: \.st_mode)),
      (MemoryLayout<FileStatus>.offset(of: \.owner), MemoryLayout<stat>.offset(of: \.st_uid)),
      (MemoryLayout<FileStatus>.offset(of: \.group), MemoryLayout<stat>.offset(of: \.st_gid)),
      (MemoryLayout<FileStatus>.offset(of: \.namedDevice), MemoryLayout<stat>.offset(of: \.st_rdev)),
      (MemoryLayout<FileStatus>.offset(of: \.size), MemoryLayout<stat>.offset(of: \.st_size)),
      (MemoryLayout<FileStatus>.offset(of: \.blockSize), MemoryLayout<stat>.offset(of: \.st_blksize)),
      (MemoryLayout<FileStatus>.offset(of: \.blocks), MemoryLayout<stat>.offset(of: \.st_blocks)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    var status = FileStatus()
    status.accessTime = Timestamp(seconds: 1, nanoseconds: 2)
    status.modificationTime = Timestamp(seconds: 3, nanoseconds: 4)
    status.changeTime = Timestamp(seconds: 5, nanoseconds: 6)
    let copy = unsafeBitCast(status, to: stat.self)
    #expect(copy.st_atim.tv_sec == 1 && copy.st_atim.tv_nsec == 2)
    #expect(copy.st_mtim.tv_sec == 3 && copy.st_mtim.tv_nsec == 4)
    #expect(copy.st_ctim.tv_sec == 5 && copy.st_ctim.tv_nsec == 6)
  }

  @Test func signalInformation() {
    #expect(MemoryLayout<SignalInformation>.size == MemoryLayout<siginfo_t>.size)
    #expect(MemoryLayout<SignalSet>.size == 8)
    var information = SignalInformation()
    information.signal = .windowChange
    information.errno = 1
    information.code = .queued
    information.process = 2
    information.user = 3
    information.value = 4
    let copy = unsafeBitCast(information, to: siginfo_t.self)
    #expect(copy.si_signo == SIGWINCH && copy.si_errno == 1 && copy.si_code == -1)
    #expect(copy._sifields._rt.si_pid == 2 && copy._sifields._rt.si_uid == 3)
    #expect(copy._sifields._rt.si_sigval.sival_int == 4)
    #expect(copy._sifields._kill.si_pid == 2 && copy._sifields._kill.si_uid == 3)
  }

  @Test func signalsByNumber() {
    let pairs: [(Signal, CInt)] = [
      (.hangup, SIGHUP), (.interrupt, SIGINT), (.quit, SIGQUIT), (.kill, SIGKILL), (.user1, SIGUSR1),
      (.user2, SIGUSR2), (.alarm, SIGALRM), (.terminate, SIGTERM), (.child, SIGCHLD), (.continue, SIGCONT),
      (.stop, SIGSTOP), (.terminalStop, SIGTSTP), (.terminalInput, SIGTTIN), (.terminalOutput, SIGTTOU),
      (.urgent, SIGURG), (.windowChange, SIGWINCH), (.power, SIGPWR), (.systemCall, SIGSYS),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == theirs) }
    #expect(SignalSet([.hangup, .systemCall]).bits == 1 | 1 << 30)
  }

  @Test func timer() {
    #expect(MemoryLayout<TimerSpecification>.size == MemoryLayout<itimerspec>.size)
    #expect(
      MemoryLayout<TimerSpecification>.offset(of: \.first) == MemoryLayout<itimerspec>.offset(of: \.it_value))
    #expect(MemoryLayout<SignalEvent>.size == MemoryLayout<sigevent>.size)
    let event = unsafeBitCast(SignalEvent(.urgent, to: 7), to: sigevent.self)
    #expect(event.sigev_signo == SIGURG && event.sigev_notify == 4 /* SIGEV_THREAD_ID */)
    #expect(event._sigev_un._tid == 7)
  }

  @Test func pollDescriptor() {
    #expect(MemoryLayout<PollDescriptor>.size == MemoryLayout<pollfd>.size)
    let poll = unsafeBitCast(PollDescriptor(3, [.readable, .writable]), to: pollfd.self)
    #expect(poll.fd == 3 && poll.events == Int16(POLLIN | POLLOUT) && poll.revents == 0)
    #expect(PollEvents.failed.rawValue == Int16(POLLERR) && PollEvents.hungUp.rawValue == Int16(POLLHUP))
  }

  @Test func landlock() {
    #expect(MemoryLayout<LandlockAttributes>.size == 24)
    var attributes = LandlockAttributes(handling: .change)
    attributes.scope()
    let words = withUnsafeBytes(of: attributes) { Array($0.bindMemory(to: UInt64.self)) }
    #expect(words == [0xfffe, 0, 3])
  }

  @Test func filterAndCloneFlags() {
    #expect(FilterFlags([.newListener, .waitKillable, .allowSpeculation]).rawValue == 8 | 0x20 | 4)
    let namespaces = CloneFlags([.newUser, .newMounts, .newProcesses, .newIPC, .newHostName, .newCgroup, .newNetwork])
    let theirs =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET
    #expect(namespaces.rawValue == UInt64(theirs))
    let thread = CloneFlags([.memory, .fileSystem, .descriptors, .signalHandlers, .thread, .semaphoreAdjustments])
    let threads = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
    #expect(thread.rawValue == UInt64(threads))
    let numbers = CloneFlags([.setThreadPointer, .setParentNumber, .clearChildNumber])
    #expect(numbers.rawValue == UInt64(CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID))
  }

  @Test func extendedStatus() {
    #expect(MemoryLayout<ExtendedStatus>.size == 256)
    #expect(MemoryLayout<ExtendedStatus>.size == MemoryLayout<statx>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<ExtendedStatus>.offset(of: \.mask), MemoryLayout<statx>.offset(of: \.stx_mask)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.blockSize), MemoryLayout<statx>.offset(of: \.stx_blksize)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.attributes), MemoryLayout<statx>.offset(of: \.stx_attributes)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.linkCount), MemoryLayout<statx>.offset(of: \.stx_nlink)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.owner), MemoryLayout<statx>.offset(of: \.stx_uid)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.group), MemoryLayout<statx>.offset(of: \.stx_gid)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.mode), MemoryLayout<statx>.offset(of: \.stx_mode)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.inode), MemoryLayout<statx>.offset(of: \.stx_ino)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.size), MemoryLayout<statx>.offset(of: \.stx_size)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.blocks), MemoryLayout<statx>.offset(of: \.stx_blocks)),
      (
        MemoryLayout<ExtendedStatus>.offset(of: \.attributesMask), MemoryLayout<statx>.offset(of: \.stx_attributes_mask)
      ),
      (MemoryLayout<ExtendedStatus>.offset(of: \.access), MemoryLayout<statx>.offset(of: \.stx_atime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.birth), MemoryLayout<statx>.offset(of: \.stx_btime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.change), MemoryLayout<statx>.offset(of: \.stx_ctime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.modification), MemoryLayout<statx>.offset(of: \.stx_mtime)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.namedDeviceMajor), MemoryLayout<statx>.offset(of: \.stx_rdev_major)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.deviceMinor), MemoryLayout<statx>.offset(of: \.stx_dev_minor)),
      (MemoryLayout<ExtendedStatus>.offset(of: \.mount), MemoryLayout<statx>.offset(of: \.stx_mnt_id)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    #expect(MemoryLayout<ExtendedTime>.stride == MemoryLayout<statx_timestamp>.stride)
    #expect(
      MemoryLayout<ExtendedTime>.offset(of: \.nanoseconds) == MemoryLayout<statx_timestamp>.offset(of: \.tv_nsec))
  }

  @Test func fileSystemStatus() {
    #expect(MemoryLayout<StatFS>.size == MemoryLayout<statfs>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<StatFS>.offset(of: \.magic), MemoryLayout<statfs>.offset(of: \.f_type)),
      (MemoryLayout<StatFS>.offset(of: \.blockSize), MemoryLayout<statfs>.offset(of: \.f_bsize)),
      (MemoryLayout<StatFS>.offset(of: \.blocks), MemoryLayout<statfs>.offset(of: \.f_blocks)),
      (MemoryLayout<StatFS>.offset(of: \.freeBlocks), MemoryLayout<statfs>.offset(of: \.f_bfree)),
      (MemoryLayout<StatFS>.offset(of: \.availableBlocks), MemoryLayout<statfs>.offset(of: \.f_bavail)),
      (MemoryLayout<StatFS>.offset(of: \.files), MemoryLayout<statfs>.offset(of: \.f_files)),
      (MemoryLayout<StatFS>.offset(of: \.freeFiles), MemoryLayout<statfs>.offset(of: \.f_ffree)),
      (MemoryLayout<StatFS>.offset(of: \.identifier), MemoryLayout<statfs>.offset(of: \.f_fsid)),
      (MemoryLayout<StatFS>.offset(of: \.nameLength), MemoryLayout<statfs>.offset(of: \.f_namelen)),
      (MemoryLayout<StatFS>.offset(of: \.fragmentSize), MemoryLayout<statfs>.offset(of: \.f_frsize)),
      (MemoryLayout<StatFS>.offset(of: \.flags), MemoryLayout<statfs>.offset(of: \.f_flags)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
  }

  /// The C headers of the machine may be older than these two: the sizes are part of the requests' numbers.
  @Test func mappingLists() {
    #expect(MemoryLayout<MappingQuery>.size == 0x68)
    #expect(MemoryLayout<MappingQuery>.offset(of: \.flags) == 40)
    #expect(MemoryLayout<MappingQuery>.offset(of: \.offset) == 56)
    #expect(MemoryLayout<MappingQuery>.offset(of: \.inode) == 64)
    #expect(MemoryLayout<PageScan>.size == 0x60)
    #expect(MemoryLayout<PageRegion>.size == 24)
  }

  @Test func vector() {
    #expect(MemoryLayout<IOVector>.size == MemoryLayout<iovec>.size)
    #expect(MemoryLayout<IOVector>.offset(of: \.count) == MemoryLayout<iovec>.offset(of: \.iov_len))
  }

  @Test func filterInstruction() {
    #expect(MemoryLayout<FilterInstruction>.size == MemoryLayout<sock_filter>.size)
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.jumpTrue) == MemoryLayout<sock_filter>.offset(of: \.jt))
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.jumpFalse) == MemoryLayout<sock_filter>.offset(of: \.jf))
    #expect(MemoryLayout<FilterInstruction>.offset(of: \.operand) == MemoryLayout<sock_filter>.offset(of: \.k))
  }

  @Test func timeValue() {
    #expect(MemoryLayout<TimeValue>.size == MemoryLayout<timeval>.size)
    #expect(MemoryLayout<TimeValue>.offset(of: \.microseconds) == MemoryLayout<timeval>.offset(of: \.tv_usec))
  }

  @Test func resourceLimit() {
    #expect(MemoryLayout<ResourceLimit>.size == MemoryLayout<rlimit>.size)
    #expect(MemoryLayout<ResourceLimit>.offset(of: \.hard) == MemoryLayout<rlimit>.offset(of: \.rlim_max))
    let pairs: [(Resource, __rlimit_resource)] = [
      (.fileSize, RLIMIT_FSIZE), (.data, RLIMIT_DATA), (.stack, RLIMIT_STACK), (.core, RLIMIT_CORE),
      (.descriptors, RLIMIT_NOFILE),
    ]
    for (ours, theirs) in pairs { #expect(UInt32(bitPattern: ours.rawValue) == theirs.rawValue) }
  }

  @Test func rangeLock() {
    #expect(MemoryLayout<RangeLock>.size == MemoryLayout<flock>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<RangeLock>.offset(of: \.type), MemoryLayout<flock>.offset(of: \.l_type)),
      (MemoryLayout<RangeLock>.offset(of: \.whence), MemoryLayout<flock>.offset(of: \.l_whence)),
      (MemoryLayout<RangeLock>.offset(of: \.start), MemoryLayout<flock>.offset(of: \.l_start)),
      (MemoryLayout<RangeLock>.offset(of: \.length), MemoryLayout<flock>.offset(of: \.l_len)),
      (MemoryLayout<RangeLock>.offset(of: \.process), MemoryLayout<flock>.offset(of: \.l_pid)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    let kinds: [(RangeLock.Kind, Int32)] = [(.read, F_RDLCK), (.write, F_WRLCK), (.unlock, F_UNLCK)]
    for (ours, theirs) in kinds { #expect(Int32(ours.rawValue) == theirs) }
    let operations: [(Int32, LockOperation.Kind)] = [
      (LOCK_SH, .shared), (LOCK_EX, .exclusive), (LOCK_UN, .unlock),
    ]
    for (number, kind) in operations {
      #expect(LockOperation(rawValue: number).kind == kind && LockOperation(rawValue: number).mayWait)
      #expect(LockOperation(rawValue: number).withoutWaiting == LockOperation(rawValue: number | LOCK_NB))
    }
  }

  @Test func elfHeader() {
    #expect(MemoryLayout<ELFHeader>.size == MemoryLayout<Elf64_Ehdr>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<ELFHeader>.offset(of: \.magic), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_ident)),
      (MemoryLayout<ELFHeader>.offset(of: \.type), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_type)),
      (MemoryLayout<ELFHeader>.offset(of: \.machine), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_machine)),
      (MemoryLayout<ELFHeader>.offset(of: \.entry), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_entry)),
      (MemoryLayout<ELFHeader>.offset(of: \.programHeaderOffset), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_phoff)),
      (MemoryLayout<ELFHeader>.offset(of: \.size), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_ehsize)),
      (MemoryLayout<ELFHeader>.offset(of: \.programHeaderSize), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_phentsize)),
      (MemoryLayout<ELFHeader>.offset(of: \.programHeaderCount), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_phnum)),
      (MemoryLayout<ELFHeader>.offset(of: \.sectionNameIndex), MemoryLayout<Elf64_Ehdr>.offset(of: \.e_shstrndx)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    #expect(Int32(ELFHeader.x86_64) == EM_X86_64)
    #expect(Int32(ELFType.executable.rawValue) == ET_EXEC && Int32(ELFType.dynamic.rawValue) == ET_DYN)
  }

  @Test func programHeader() {
    #expect(MemoryLayout<ProgramHeader>.size == MemoryLayout<Elf64_Phdr>.size)
    let pairs: [(Int?, Int?)] = [
      (MemoryLayout<ProgramHeader>.offset(of: \.type), MemoryLayout<Elf64_Phdr>.offset(of: \.p_type)),
      (MemoryLayout<ProgramHeader>.offset(of: \.flags), MemoryLayout<Elf64_Phdr>.offset(of: \.p_flags)),
      (MemoryLayout<ProgramHeader>.offset(of: \.offset), MemoryLayout<Elf64_Phdr>.offset(of: \.p_offset)),
      (MemoryLayout<ProgramHeader>.offset(of: \.address), MemoryLayout<Elf64_Phdr>.offset(of: \.p_vaddr)),
      (MemoryLayout<ProgramHeader>.offset(of: \.fileSize), MemoryLayout<Elf64_Phdr>.offset(of: \.p_filesz)),
      (MemoryLayout<ProgramHeader>.offset(of: \.memorySize), MemoryLayout<Elf64_Phdr>.offset(of: \.p_memsz)),
      (MemoryLayout<ProgramHeader>.offset(of: \.alignment), MemoryLayout<Elf64_Phdr>.offset(of: \.p_align)),
    ]
    for (ours, theirs) in pairs { #expect(ours != nil && ours == theirs) }
    #expect(Int32(SegmentType.load.rawValue) == PT_LOAD && Int32(SegmentType.interpreter.rawValue) == PT_INTERP)
    #expect(SegmentType.stack.rawValue == UInt32(PT_GNU_STACK))
    let flags: [(SegmentFlags, Int32)] = [(.read, Int32(PF_R)), (.write, Int32(PF_W)), (.execute, Int32(PF_X))]
    for (ours, theirs) in flags { #expect(Int32(ours.rawValue) == theirs) }
  }

  @Test func auxiliaryTypes() {
    let pairs: [(AuxiliaryType, Int32)] = [
      (.end, AT_NULL), (.programHeaders, AT_PHDR), (.programHeaderSize, AT_PHENT), (.programHeaderCount, AT_PHNUM),
      (.pageSize, AT_PAGESZ), (.base, AT_BASE), (.flags, AT_FLAGS), (.entry, AT_ENTRY), (.user, AT_UID),
      (.effectiveUser, AT_EUID), (.group, AT_GID), (.effectiveGroup, AT_EGID), (.platform, AT_PLATFORM),
      (.hardwareCapabilities, AT_HWCAP), (.secure, AT_SECURE), (.random, AT_RANDOM), (.executedName, AT_EXECFN),
      (.vdso, AT_SYSINFO_EHDR),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == UInt64(theirs)) }
  }

  @Test func socketConstants() {
    let families: [(AddressFamily, Int32)] = [
      (.unspecified, AF_UNSPEC), (.unix, AF_UNIX), (.internet, AF_INET), (.internet6, AF_INET6),
      (.netlink, AF_NETLINK),
    ]
    for (ours, theirs) in families { #expect(ours.argument == UInt32(theirs)) }
    let types: [(SocketType, __socket_type)] = [
      (.stream, SOCK_STREAM), (.datagram, SOCK_DGRAM), (.raw, SOCK_RAW), (.sequencedPacket, SOCK_SEQPACKET),
    ]
    for (ours, theirs) in types { #expect(UInt32(bitPattern: ours.rawValue) == theirs.rawValue) }
    let options: [(SocketOption, Int32)] = [
      (.type, SO_TYPE), (.receiveTimeout, SO_RCVTIMEO), (.sendTimeout, SO_SNDTIMEO), (.bindToDevice, SO_BINDTODEVICE),
      (.domain, SO_DOMAIN),
      (.bindToInterface, SO_BINDTOIFINDEX),
    ]
    for (ours, theirs) in options { #expect(ours.rawValue == theirs) }
    #expect(SocketOption.level == SOL_SOCKET)
  }

  @Test func processOptions() {
    let pairs: [(ProcessOption, Int32)] = [
      (.getDumpable, PR_GET_DUMPABLE), (.setDumpable, PR_SET_DUMPABLE), (.getKeepCapabilities, PR_GET_KEEPCAPS),
      (.setKeepCapabilities, PR_SET_KEEPCAPS), (.setName, PR_SET_NAME), (.setSeccomp, PR_SET_SECCOMP),
      (.readBoundingSet, PR_CAPBSET_READ), (.dropBoundingSet, PR_CAPBSET_DROP), (.getSecureBits, PR_GET_SECUREBITS),
      (.setSecureBits, PR_SET_SECUREBITS), (.setMemory, PR_SET_MM), (.ambientSet, PR_CAP_AMBIENT),
    ]
    for (ours, theirs) in pairs { #expect(ours.rawValue == theirs) }
    #expect(ProcessOption.memoryMap == UInt64(PR_SET_MM_MAP))
    let operations: [(AmbientOperation, Int32)] = [
      (.isSet, PR_CAP_AMBIENT_IS_SET), (.raise, PR_CAP_AMBIENT_RAISE), (.lower, PR_CAP_AMBIENT_LOWER),
      (.clearAll, PR_CAP_AMBIENT_CLEAR_ALL),
    ]
    for (ours, theirs) in operations { #expect(ours.rawValue == UInt64(theirs)) }
  }

  @Test func mappingFlags() {
    let protections: [(Protection, Int32)] = [(.read, PROT_READ), (.write, PROT_WRITE), (.execute, PROT_EXEC)]
    for (ours, theirs) in protections { #expect(ours.rawValue == UInt64(theirs)) }
    let flags: [(MapFlags, Int32)] = [
      (.shared, MAP_SHARED), (.isPrivate, MAP_PRIVATE), (.fixed, MAP_FIXED), (.anonymous, MAP_ANONYMOUS),
      (.fixedNoReplace, 0x10_0000),
    ]
    for (ours, theirs) in flags { #expect(ours.rawValue == UInt64(theirs)) }
  }

  /// Of structures whose headers the C library of the build does not have, or Swift does not see: their size and the
  /// place of each field as the kernel's header has them.
  @Test func structuresWithoutAHeader() {
    // linux/mman.h, linux/eventpoll.h (packed), linux/inotify.h.
    #expect(MemoryLayout<CacheRange>.size == 16 && MemoryLayout<CacheRange>.offset(of: \.length) == 8)
    #expect(MemoryLayout<CacheStatistics>.size == 40)
    #expect(MemoryLayout<CacheStatistics>.offset(of: \.recentlyEvicted) == 32)
    #expect(MemoryLayout<EpollEvent>.size == 12 && MemoryLayout<EpollEvent>.stride == 12)
    let event = EpollEvent(.writable, token: 0x0102_0304_0506_0708)
    #expect(event.token == 0x0102_0304_0506_0708)
    withUnsafeBytes(of: event) { #expect($0.loadUnaligned(fromByteOffset: 4, as: UInt64.self) == event.token) }
    #expect(MemoryLayout<InotifyEventHeader>.size == 16)
    #expect(MemoryLayout<InotifyEventHeader>.offset(of: \.cookie) == 8)
    #expect(MemoryLayout<InotifyEventHeader>.offset(of: \.nameLength) == 12)
  }
}
