// Which walls stand around the guests and around us in one sandbox, by name: for `vedette run --trace` and for people.

import Gate
import Kernel

/// The walls of one sandbox.
public struct Walls: Sendable, Equatable {
  /// Those in force, from the outside in.
  public var standing: [StaticString] { all.filter(\.stands).map(\.name) }
  /// Those that this level has, and that are not there.
  public var missing: [StaticString] { all.filter { !$0.stands }.map(\.name) }

  private let all: [Wall]

  private struct Wall: Sendable {
    var name: StaticString
    var stands: Bool
  }

  public static func == (one: Walls, other: Walls) -> Bool {
    one.all.count == other.all.count
      && zip(one.all, other.all).allSatisfy { "\($0.name)" == "\($1.name)" && $0.stands == $1.stands }
  }

  /// - Parameters:
  ///   - layersAreReadOnly: what is only shown is reached through read-only trees.
  ///   - confinesProcess: the supervisor drops what serving does not take.
  init(_ isolation: IsolationLevel, layersAreReadOnly: Bool, confinesProcess: Bool) {
    var all = [Wall(name: "no-new-privileges", stands: true)]
    if isolation == .full { all.append(Wall(name: "namespaces", stands: true)) }
    all.append(Wall(name: "landlock", stands: LandlockRules.version > 0))
    all.append(Wall(name: "seccomp", stands: true))
    switch isolation {
    case .full: all.append(Wall(name: "read-only-layers", stands: layersAreReadOnly))
    case .noNamespaces:
      all.append(Wall(name: "supervisor-landlock", stands: confinesProcess && SupervisorDomain.isAvailable))
    }
    all.append(Wall(name: "supervisor-seccomp", stands: confinesProcess))
    self.all = all
  }
}
