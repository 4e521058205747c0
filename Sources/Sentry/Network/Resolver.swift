// The name server that guests find behind port 53 of every address. It answers for the names of the rules and for no others,
// by asking the host's name servers, and before an answer goes out its addresses are pinned: the rules of the name hold for
// them. Answers are made anew from what was understood, without addresses that mean the machine itself or its link: no name
// leads there (DNS rebinding).
//
// Sockets that never block, one epoll(7), and one thread that is called when that is readable; so nobody waits for a name
// server but the guest that has asked.

import Kernel
import LinuxABI

/// See the head of this file.
final class Resolver: Sendable {
  /// The epoll instance: `serve` is to be called when it is readable.
  let descriptor: CInt
  /// Where it listens, on the host.
  let datagramEndpoint: InternetEndpoint
  let streamEndpoint: InternetEndpoint
  private let state: Lock<ResolverState>

  /// - Parameter alias: the address of 127.0.0.0/8 to listen on.
  /// - Throws: what the host refuses of descriptors and sockets.
  init(_ rules: NetworkRules, _ pins: PinnedAddresses, at alias: InternetAddress) throws(Errno) {
    let names = HostNames.read { rules.resolvesEveryName || !rules.naming($0).isEmpty }
    for name in names.names {
      let safe = (names.addresses(of: name) ?? []).filter { ResolverState.mayBeAnswered($0, rules) }
      pins.pin(safe, by: rules.naming(name))
    }
    let made = try ResolverState(rules, pins, names, at: alias)
    descriptor = made.epoll.rawValue
    datagramEndpoint = made.datagramEndpoint
    streamEndpoint = made.streamEndpoint
    state = Lock(.resolver, made)
  }

  /// Does what there is to do.
  func serve() { state.withLock { $0.serve() } }

  /// The names that were refused.
  var refusals: NetworkRefusals { state.withLock { $0.refusals } }
}

/// Used on the resolver's thread, under its lock.
final class ResolverState {
  let epoll: OwnedDescriptor
  let datagramEndpoint: InternetEndpoint
  let streamEndpoint: InternetEndpoint
  private(set) var refusals = NetworkRefusals()

  private let rules: NetworkRules
  private let pins: PinnedAddresses
  private let names: HostNames
  private let datagrams: OwnedDescriptor
  private let listener: OwnedDescriptor
  private let timer: OwnedDescriptor
  private var exchanges: [UInt64: Exchange] = [:]
  private var clients: [UInt64: Client] = [:]
  private var lastToken = Token.first
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

  private enum Token {
    static let datagrams: UInt64 = 0
    static let listener: UInt64 = 1
    static let timer: UInt64 = 2
    static let first: UInt64 = 16
  }

  /// Questions on their way, and connections of guests, at a time; more are dropped, and asked again by who wants to know.
  private static let exchangeLimit = 64
  private static let clientLimit = 32
  private static let attemptTime: UInt64 = 2_000_000_000
  private static let attempts = 2
  private static let idleTime: UInt64 = 10_000_000_000

  /// Whom an answer goes to.
  private enum Asker {
    case datagram([UInt8])
    case connection(UInt64)
  }

  /// A question that the host's name servers have been asked.
  private final class Exchange {
    let query: DomainQuery
    let asker: Asker
    let id: UInt16
    var attempt = 0
    var deadline: UInt64 = 0
    var socket: OwnedDescriptor?
    var isStream = false
    /// The question has not gone out yet.
    var isConnecting = false
    var received: [UInt8] = []

    init(_ query: DomainQuery, for asker: Asker) {
      self.query = query
      self.asker = asker
      id = UInt16.random(in: 0...UInt16.max)
    }
  }

  /// A guest's TCP connection.
  private final class Client {
    let socket: OwnedDescriptor
    var received: [UInt8] = []
    var waiting = 0
    var deadline: UInt64

    init(_ socket: consuming OwnedDescriptor, until deadline: UInt64) {
      self.socket = socket
      self.deadline = deadline
    }
  }

  init(_ rules: NetworkRules, _ pins: PinnedAddresses, _ names: HostNames, at alias: InternetAddress) throws(Errno) {
    self.rules = rules
    self.pins = pins
    self.names = names
    epoll = try Host.makeEpoll()
    datagrams = try Host.makeSocket(.internet, .datagram, isNonBlocking: true)
    listener = try Host.makeSocket(.internet, .stream, isNonBlocking: true)
    timer = try Host.makeTimer()
    let any = InternetEndpoint(alias, 0).socketAddress(isIPv6Socket: false)
    try Host.bind(datagrams.rawValue, to: any)
    try Host.bind(listener.rawValue, to: any)
    try Host.listen(listener.rawValue, backlog: 16)
    datagramEndpoint = try Self.endpoint(of: datagrams.rawValue)
    streamEndpoint = try Self.endpoint(of: listener.rawValue)
    try Host.control(epoll.rawValue, .add, datagrams.rawValue, EpollEvent(.readable, token: Token.datagrams))
    try Host.control(epoll.rawValue, .add, listener.rawValue, EpollEvent(.readable, token: Token.listener))
    try Host.control(epoll.rawValue, .add, timer.rawValue, EpollEvent(.readable, token: Token.timer))
  }

  deinit { buffer.deallocate() }

  private static func endpoint(of socket: CInt) throws(Errno) -> InternetEndpoint {
    guard let endpoint = InternetEndpoint(socketAddress: try Host.name(ofSocket: socket)) else { throw .ioError }
    return endpoint
  }

  /// An address may be in an answer: it does not mean the machine itself or its link, or is allowed by itself.
  static func mayBeAnswered(_ address: InternetAddress, _ rules: NetworkRules) -> Bool {
    if !address.mustBeNamed { return true }
    return rules.rules.contains {
      switch $0.host {
      case .addresses(let range): range.isOneAddress && range.first == address
      case .localhost: address == .loopback4 || address == .loopback6
      case .name, .below, .everyName: false
      }
    }
  }

  // MARK: - Events

  func serve() {
    withUnsafeTemporaryAllocation(of: EpollEvent.self, capacity: 32) { events in
      guard let count = try? Host.wait(epoll.rawValue, into: events, milliseconds: 0) else { return }
      for event in events[..<count] { handle(event) }
    }
    expire(MonotonicClock.now())
    setTimer()
  }

  private func handle(_ event: EpollEvent) {
    switch event.token {
    case Token.datagrams: receiveDatagrams()
    case Token.listener: acceptClients()
    case Token.timer: Host.clearTimer(timer.rawValue)
    default:
      if let exchange = exchanges[event.token] {
        progress(exchange, event.token)
      } else if let client = clients[event.token] {
        read(client, event.token)
      }
    }
  }

  private func receiveDatagrams() {
    // Some at a time: then the others have their turn.
    for _ in 0..<32 {
      guard let (count, sender) = try? Host.receive(into: buffer, from: datagrams.rawValue) else { return }
      receive([UInt8](buffer[..<count]), from: .datagram(sender))
    }
  }

  private func acceptClients() {
    for _ in 0..<8 {
      guard let socket = try? Host.accept(listener.rawValue) else { return }
      // Closed at once.
      if clients.count >= Self.clientLimit { continue }
      let token = nextToken()
      let watches =
        (try? Host.control(epoll.rawValue, .add, socket.rawValue, EpollEvent(.readable, token: token))) != nil
      if watches { clients[token] = Client(socket, until: MonotonicClock.now().addingClamped(Self.idleTime)) }
    }
  }

  /// Messages with their lengths before them (RFC 1035, section 4.2.2).
  private func read(_ client: Client, _ token: UInt64) {
    do throws(Errno) {
      let count = try Host.receive(into: buffer, from: client.socket.rawValue).count
      // The guest has ended its side; answers on their way have nowhere to go.
      if count == 0 { throw .connectionReset }
      client.received += buffer[..<count]
      client.deadline = MonotonicClock.now().addingClamped(Self.idleTime)
      while let message = Self.takeMessage(&client.received) {
        if client.waiting >= 8 { throw .noBufferSpace }
        client.waiting += 1
        receive(message, from: .connection(token))
      }
      // No question is so long.
      if client.received.count > 4096 { throw .messageTooLong }
    } catch {
      if error != .wouldBlock, error != .interrupted { clients[token] = nil }
    }
  }

  private static func takeMessage(_ bytes: inout [UInt8]) -> [UInt8]? {
    guard bytes.count >= 2 else { return nil }
    let length = Int(bytes[0]) << 8 | Int(bytes[1])
    guard bytes.count >= 2 + length else { return nil }
    let message = [UInt8](bytes[2..<(2 + length)])
    bytes.removeFirst(2 + length)
    return message
  }

  // MARK: - Questions

  private func receive(_ message: [UInt8], from asker: Asker) {
    guard let query = DomainQuery(message) else {
      // Of less than a header there is nothing to answer.
      guard message.count >= 12, message[2] & 0x80 == 0 else { return }
      return send([message[0], message[1], 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0], to: asker)
    }
    let room = room(of: query, asker)
    let host = query.name.host
    let naming = host.map { rules.naming($0) } ?? []
    if let host, host == "localhost" || host.isBelow("localhost") {
      return answer(query, [(query.name, .loopback4, 0), (query.name, .loopback6, 0)], to: asker)
    }
    guard !naming.isEmpty || rules.resolvesEveryName else {
      // The reverse of an address is asked for by many programs, which do without.
      if query.name.labels.last != Array("arpa".utf8) { refusals.add(.name(query.name.text), by: []) }
      return send(query.answer(.nameError, room: room), to: asker)
    }
    if let host, query.type == .address || query.type == .address6, let known = names.addresses(of: host) {
      return answer(query, known.map { (query.name, $0, 0) }, to: asker)
    }
    if query.type == .any { return send(query.answer(.notImplemented, room: room), to: asker) }
    guard exchanges.count < Self.exchangeLimit else { return drop(asker) }
    let exchange = Exchange(query, for: asker)
    let token = nextToken()
    exchanges[token] = exchange
    ask(exchange, token)
  }

  private func room(of query: DomainQuery, _ asker: Asker) -> Int {
    if case .connection = asker { return 65535 }
    return query.room
  }

  private func nextToken() -> UInt64 {
    lastToken &+= 1
    return lastToken
  }

  // MARK: - Asking the host's name servers

  private var attemptLimit: Int { names.servers.count * Self.attempts }

  /// Asks the next server; after the last one the question has failed.
  private func ask(_ exchange: Exchange, _ token: UInt64) {
    while exchange.attempt < attemptLimit {
      let server = names.servers[exchange.attempt % names.servers.count]
      exchange.attempt += 1
      do throws(Errno) {
        try open(exchange, token, to: server, isStream: exchange.isStream)
        return
      } catch {
        exchange.socket = nil
      }
    }
    finish(token, exchange.query.answer(.serverFailure, room: room(of: exchange.query, exchange.asker)))
  }

  private func open(_ exchange: Exchange, _ token: UInt64, to server: InternetEndpoint, isStream: Bool) throws(Errno) {
    let isIPv6 = !server.address.isIPv4
    let socket = try Host.makeSocket(
      isIPv6 ? .internet6 : .internet, isStream ? .stream : .datagram, isNonBlocking: true)
    do throws(Errno) { try Host.connect(socket.rawValue, to: server.socketAddress(isIPv6Socket: isIPv6)) } catch {
      if error != .nowInProgress { throw error }
    }
    try Host.control(
      epoll.rawValue, .add, socket.rawValue, EpollEvent(isStream ? [.writable] : [.readable], token: token))
    exchange.isStream = isStream
    exchange.isConnecting = isStream
    exchange.received = []
    exchange.deadline = MonotonicClock.now().addingClamped(Self.attemptTime)
    if !isStream { try transmit(exchange.query.forwarded(id: exchange.id), by: socket.rawValue) }
    exchange.socket = consume socket
  }

  private func transmit(_ bytes: [UInt8], by socket: CInt) throws(Errno) {
    let result: Result<Int, Errno> = bytes.withUnsafeBytes { bytes in
      do throws(Errno) { return .success(try Host.send(bytes, by: socket)) } catch { return .failure(error) }
    }
    if try result.get() != bytes.count { throw .wouldBlock }
  }

  /// Something has happened at the socket of a question.
  private func progress(_ exchange: Exchange, _ token: UInt64) {
    guard let socket = exchange.socket?.rawValue else { return }
    do throws(Errno) {
      let error = try Host.option(.error, of: socket)
      if error != 0 { throw Errno(rawValue: error) }
      if exchange.isConnecting {
        // Connected: the question goes out, and the answer is waited for.
        let message = exchange.query.forwarded(id: exchange.id)
        try transmit(DomainQuery.bytes(UInt16(clamping: message.count)) + message, by: socket)
        try Host.control(epoll.rawValue, .modify, socket, EpollEvent(.readable, token: token))
        exchange.isConnecting = false
        return
      }
      let count = try Host.receive(into: buffer, from: socket).count
      if exchange.isStream {
        if count == 0 { throw .connectionReset }
        exchange.received += buffer[..<count]
        if let message = Self.takeMessage(&exchange.received) { try understand(message, exchange, token) }
      } else {
        try understand([UInt8](buffer[..<count]), exchange, token)
      }
    } catch {
      if error == .wouldBlock || error == .interrupted { return }
      exchange.socket = nil
      ask(exchange, token)
    }
  }

  private func understand(_ message: [UInt8], _ exchange: Exchange, _ token: UInt64) throws(Errno) {
    let query = exchange.query
    guard let response = DomainResponse(message, id: exchange.id, to: query) else {
      // Not an answer to this question: it is still waited for.
      if exchange.isStream { throw .protocolError }
      return
    }
    if response.isTruncated, !exchange.isStream {
      exchange.attempt = max(exchange.attempt - 1, 0)
      exchange.isStream = true
      exchange.socket = nil
      return ask(exchange, token)
    }
    let room = room(of: query, exchange.asker)
    switch ResponseCode(rawValue: response.code) {
    case .success where query.type == .address || query.type == .address6:
      let safe = response.addresses.filter { Self.mayBeAnswered($0.address, rules) }
      pins.pin(safe.map(\.address), by: query.name.host.map { rules.naming($0) } ?? [])
      var records = response.aliases.map {
        DomainQuery.record($0.owner, .canonicalName, timeToLive: $0.timeToLive, $0.target.encoded)
      }
      records += self.records(query, safe.map { ($0.owner, $0.address, $0.timeToLive) })
      finish(token, query.answer(.success, records, room: room))
    case .success, .nameError: finish(token, query.passedOn(message, room: room))
    default:
      // Another server may know more.
      exchange.socket = nil
      ask(exchange, token)
    }
  }

  // MARK: - Answering

  /// Answers with addresses of our own knowledge.
  private func answer(_ query: DomainQuery, _ known: [(WireName, InternetAddress, UInt32)], to asker: Asker) {
    let isLocal = query.name.labels.last == Array("localhost".utf8)
    let safe = known.filter { isLocal || Self.mayBeAnswered($0.1, rules) }
    send(query.answer(.success, records(query, safe), room: room(of: query, asker)), to: asker)
  }

  private func records(_ query: DomainQuery, _ known: [(WireName, InternetAddress, UInt32)]) -> [[UInt8]] {
    known.compactMap { owner, address, time in
      guard address.isIPv4 == (query.type == .address), query.type == .address || query.type == .address6 else {
        return nil
      }
      let bytes = InternetEndpoint(address, 0).socketAddress(isIPv6Socket: !address.isIPv4)
      return DomainQuery.record(
        owner, query.type, timeToLive: time, [UInt8](address.isIPv4 ? bytes[4..<8] : bytes[8..<24]))
    }
  }

  private func finish(_ token: UInt64, _ message: [UInt8]) {
    guard let exchange = exchanges.removeValue(forKey: token) else { return }
    send(message, to: exchange.asker)
  }

  private func send(_ message: [UInt8], to asker: Asker) {
    switch asker {
    case .datagram(let address):
      message.withUnsafeBytes { bytes in _ = try? Host.send(bytes, to: address, by: datagrams.rawValue) }
    case .connection(let token):
      guard let client = clients[token] else { return }
      client.waiting = max(client.waiting - 1, 0)
      let framed = DomainQuery.bytes(UInt16(clamping: message.count)) + message
      // A guest that does not read what it has asked for is not waited for.
      do throws(Errno) { try transmit(framed, by: client.socket.rawValue) } catch { clients[token] = nil }
    }
  }

  /// A question that nothing becomes of.
  private func drop(_ asker: Asker) {
    if case .connection(let token) = asker { clients[token] = nil }
  }

  // MARK: - Time

  private func expire(_ now: UInt64) {
    for (token, exchange) in exchanges where exchange.deadline <= now {
      exchange.socket = nil
      ask(exchange, token)
    }
    for (token, client) in clients where client.deadline <= now && client.waiting == 0 { clients[token] = nil }
  }

  private func setTimer() {
    let deadlines = exchanges.values.map(\.deadline) + clients.values.filter { $0.waiting == 0 }.map(\.deadline)
    Host.setTimer(timer.rawValue, at: deadlines.min().map { max($0, MonotonicClock.now().addingClamped(1_000_000)) })
  }
}
