// The calls on sockets that are the kernel's affair unless there is a network list (`--net allow`), and which options such
// sockets may have.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addFilteredSockets() {
    let filtered = Treatment.depends { CallPolicy(otherwise: $0.network == .allow ? .trace : .native) }
    served(
      50, "listen", .fd, .int("backlog"), as: filtered, note: "with a network list on the sandbox's loopback"
    ) { (call, descriptor, backlog) throws(Errno) in
      try call.listen(descriptor, backlog)
    }
    served(
      47, "recvmsg", .fd, Arg<Pointer<MessageHeader>>("msg"), .messageFlags, as: filtered,
      note: "with a network list the sender is shown as guests know it"
    ) { (call, descriptor, header, _) throws(Errno) in
      try call.receiveFiltered(.message(descriptor, header), header)
    }
    served(
      299, "recvmmsg", .fd, Arg<Pointer<MessageHeader>>("msgvec"), .int("vlen"), .messageFlags, .bytes("timeout"),
      as: filtered, note: "as recvmsg"
    ) { (call, descriptor, header, count, _, _) throws(Errno) in
      count == 0 ? .native : try call.receiveFiltered(.messages(descriptor, header), header)
    }
    served(
      307, "sendmmsg", .fd, Arg<Pointer<MessageHeader>>("msgvec"), Arg<UInt32>("vlen"), .messageFlags,
      as: .depends { policy in
        if policy.network != .allow { return CallPolicy(otherwise: .native) }
        // By this call the listener of the filter itself is sent, by the launcher under the filter.
        let upper: UInt64 = 0xffff_ffff_0000_0000
        let secret = policy.layout.flagsSecret & upper
        let launching = ArgumentRule(.native, when: .equal(argument: 3, mask: upper, value: secret))
        return CallPolicy(secret == 0 ? [] : [launching], otherwise: .trace)
      }, note: "with a network list each receiver is judged"
    ) { (call, descriptor, header, count, flags) throws(Errno) in
      try call.sendManyFiltered(descriptor, header, count, flags)
    }
  }

  /// Of sockets in the host's network: what says how something is sent, and not where. Not among them are source routes (IP_OPTIONS,
  /// IPV6_RTHDR and its kin), interfaces, multicast groups, filters (they have one of ours), and other protocols (TCP_ULP).
  static let optionsOfFilteredSockets: CallPolicy = {
    func level(_ level: UInt32, _ options: [UInt32]) -> ArgumentRule {
      ArgumentRule(.native, when: .int(1, level), .oneOf(argument: 2, options))
    }
    let unknown = Disposition.errno(.protocolNotAvailable)
    return CallPolicy(
      [
        // SO_BINDTODEVICE, SO_BINDTOIFINDEX.
        ArgumentRule(.errno(.notPermitted), when: .int(1, 1), .oneOf(argument: 2, [25, 62])),
        // SO_BROADCAST: without effect, so that no address of the host's links means many receivers.
        ArgumentRule(.errno(0), when: .int(1, 1), .int(2, 6)),
        // SOL_SOCKET: SO_DEBUG to SO_RCVBUF; KEEPALIVE, OOBINLINE, NO_CHECK, PRIORITY, LINGER, BSDCOMPAT, REUSEPORT, PASSCRED;
        level(1, [1, 2, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        // RCVLOWAT to SNDTIMEO, TIMESTAMP, PASSSEC, TIMESTAMPNS, TIMESTAMPING, RXQ_OVFL, WIFI_STATUS, PEEK_OFF, NOFCS,
        // SELECT_ERR_QUEUE, BUSY_POLL, MAX_PACING_RATE, INCOMING_CPU, CNX_ADVICE, ZEROCOPY, TXTIME, the 64-bit times,
        // PREFER_BUSY_POLL, BUSY_POLL_BUDGET, RESERVE_MEM, TXREHASH, RCVMARK, PASSPIDFD, RCVPRIORITY, PASSRIGHTS, INQ.
        level(
          1,
          [
            18, 19, 20, 21, 29, 34, 35, 37, 40, 41, 42, 43, 45, 46, 47, 49, 53, 60, 61, 63, 64, 65, 66, 67, 69, 70, 73,
            74,
            75, 76, 82, 83, 84,
          ]),
        // SOL_TCP: all but TCP_REPAIR and what belongs to it, TCP_ULP, TCP_FASTOPEN_KEY, TCP_AO_....
        level(
          6,
          [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 23, 24, 25, 27, 28, 30, 32, 34, 36, 37, 44, 45,
          ]),
        // SOL_UDP: UDP_CORK, NO_CHECK6_TX, NO_CHECK6_RX, SEGMENT, GRO.
        level(17, [1, 101, 102, 103, 104]),
        // SOL_IP: TOS, TTL, RECVOPTS, RETOPTS, PKTINFO, MTU_DISCOVER, RECVERR, RECVTTL, RECVTOS, FREEBIND, PASSSEC,
        // RECVORIGDSTADDR, MINTTL, CHECKSUM, BIND_ADDRESS_NO_PORT, RECVFRAGSIZE, RECVERR_RFC4884, MULTICAST_TTL, MULTICAST_LOOP,
        // MULTICAST_ALL, LOCAL_PORT_RANGE.
        level(0, [1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 18, 20, 21, 23, 24, 25, 26, 33, 34, 49, 51]),
        // SOL_IPV6: UNICAST_HOPS, MULTICAST_HOPS, MULTICAST_LOOP, MTU_DISCOVER, MTU, RECVERR, V6ONLY, MULTICAST_ALL,
        // RECVERR_RFC4884, FLOWINFO_SEND, RECVPKTINFO, RECVHOPLIMIT, RECVHOPOPTS, RECVRTHDR, RECVDSTOPTS, RECVPATHMTU, DONTFRAG,
        // RECVTCLASS, TCLASS, AUTOFLOWLABEL, ADDR_PREFERENCES, MINHOPCOUNT, ORIGDSTADDR, RECVFRAGSIZE, FREEBIND.
        level(
          41, [16, 18, 19, 23, 24, 25, 26, 29, 31, 33, 49, 51, 53, 56, 58, 60, 62, 66, 67, 70, 72, 73, 74, 77, 78]),
      ], otherwise: unknown)
  }()
}
