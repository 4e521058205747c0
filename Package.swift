// swift-tools-version: 6.2

import PackageDescription

/// Every target is held to the same rules: Swift 6 language mode (the tools version implies it) and no warnings.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

/// A library target; the order of `targets` below is that of the table in the page Architecture, bottom up.
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// The unit tests of one room.
func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies, swiftSettings: strict)
}

let package = Package(
  name: "vedette",
  products: [
    .library(name: "Vedette", targets: ["Vedette"]),
    .executable(name: "vedette", targets: ["VedetteCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CLinux"),
    .target(name: "CTomlPlusPlus"),
    .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CCap", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),

    room("LinuxABI", [system]),
    room("Kernel", ["LinuxABI", "CLinux", "CSeccomp", "CCap"]),
    room("VFS", ["LinuxABI", "Kernel"]),
    room("KernFS", ["LinuxABI", "Kernel", "VFS"]),
    room("ProcFS", ["LinuxABI", "Kernel", "VFS", "KernFS"]),
    room("DevFS", ["LinuxABI", "Kernel", "VFS", "KernFS"]),
    room("HostFS", ["LinuxABI", "Kernel", "VFS"]),
    room("OverlayFS", ["LinuxABI", "Kernel", "VFS"]),
    room("Layers", ["HostFS", "Kernel", "LinuxABI", "OverlayFS", "VFS"]),
    room("Gate", ["LinuxABI", "Kernel"]),
    room("Coherence", ["LinuxABI", "Kernel", "VFS", "Gate"]),
    room(
      "Sentry",
      ["LinuxABI", "Kernel", "VFS", "KernFS", "ProcFS", "DevFS", "Gate", "Coherence"]),
    room("Platform", ["Gate", "Kernel", "LinuxABI"]),
    room(
      "Vedette",
      [
        "LinuxABI", "Kernel", "VFS", "KernFS", "ProcFS", "DevFS", "HostFS", "OverlayFS", "Layers", "Gate", "Coherence",
        "Sentry", "Platform",
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ]),
    .executableTarget(
      name: "VedetteCLI",
      dependencies: [
        "LinuxABI", "Kernel", "Layers", "Vedette",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        "CTomlPlusPlus",
      ],
      swiftSettings: strict),

    .target(
      name: "TestSupport", dependencies: ["KernFS", "VFS", "LinuxABI", "Kernel"], path: "Tests/TestSupport",
      swiftSettings: strict),
    tests(of: "LinuxABI"),
    tests(of: "Kernel", ["CLinux", "LinuxABI"]),
    tests(of: "VFS"),
    tests(of: "KernFS", ["CLinux", "TestSupport"]),
    tests(of: "ProcFS", ["KernFS", "TestSupport"]),
    tests(of: "DevFS", ["KernFS", "TestSupport"]),
    tests(of: "HostFS", ["CLinux", "TestSupport"]),
    tests(of: "OverlayFS", ["HostFS", "KernFS", "CLinux", "TestSupport"]),
    tests(of: "Coherence", ["CLinux", "Gate", "Kernel", "LinuxABI", "TestSupport", "VFS"]),
    tests(
      of: "Sentry", ["CLinux", "Coherence", "CSeccomp", "Gate", "Kernel", "KernFS", "LinuxABI", "TestSupport", "VFS"]),
    tests(of: "Platform", ["CLinux", "Gate", "Kernel", "LinuxABI", "Sentry"]),
    tests(
      of: "Vedette",
      ["CLinux", "Coherence", "Gate", "HostFS", "KernFS", "Layers", "OverlayFS", "Sentry", "TestSupport", "VFS"]),
    tests(of: "Layers", ["CLinux", "HostFS", "LinuxABI", "OverlayFS", "TestSupport", "VFS"]),
    tests(of: "VedetteCLI"),
    .testTarget(
      name: "EndToEndTests",
      exclude: [
        "all.sh", "apt-install.sh", "checks", "coherence.c", "demo-coherence.sh", "demo.sh", "run.sh", "scenarios",
        "tools",
      ],
      swiftSettings: strict),
  ]
)
