// `vedette run`: its options as people read them in the help and as shells complete them. `RunArguments` reads the words.

import ArgumentParser
import Vedette

/// The command line of `vedette run`, for the help and completions; no value ever gets here.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a command on a virtual root file system; the host stays as it is.",
    usage: "vedette run [OPTION...] [--] COMMAND [ARG...]",
    discussion: """
      Everything from COMMAND on belongs to the command. Its changes go to the upper layer, which by default is held in \
      memory and gone when the command ends. When it ends, every process it left is ended too.

      An option's default may stand in the environment: VEDETTE_SIZE for --size, VEDETTE_MAX_FILE for --max-file, 1 or 0 for \
      a flag, one value a line for what is repeatable. The command line wins over it, and it over --config (VEDETTE_CONFIG).

      Exit status: the command's own; 128+N if signal N ended it; 127 if it was not found; 126 if it cannot be executed; \
      125 if vedette itself failed, 124 if --timeout ended it, each with one line on standard error.

      Examples:
        vedette run -- rm -rf /etc              nothing happens to the host's /etc
        vedette run --fake-root -- apt-get -y install hello
        vedette run --rootfs /srv/debian --fake-root --net host -- bash
        vedette run --upper ./changes --changes -- make install
        vedette run --config ci -- ./test.sh
      """)

  @Option(
    help: ArgumentHelp(
      "The directory that is the root inside (default: /). Example: --rootfs /srv/debian", valueName: "dir"))
  var rootfs: String?

  @Option(
    help: ArgumentHelp(
      "A directory shown over the root, also one that --upper has left; repeatable, topmost first. Example: --lower ./patches",
      valueName: "dir"))
  var lower: [String] = []

  @Option(
    help: ArgumentHelp(
      "Where changes go: memory, or a directory that keeps them (default: memory). Example: --upper ./changes",
      valueName: "memory|dir"))
  var upper: String?

  @Option(
    help: ArgumentHelp(
      "The most that the memory upper may hold, with K, M, G or T (default: half of the memory). Example: --size 512M",
      valueName: "bytes"))
  var size: String?

  @Option(
    name: [.customShort("v"), .customLong("bind"), .customLong("volume")],
    help: ArgumentHelp(
      """
      Show a host file or directory inside, under the same name or at DST; changes go to the host unless :ro. A colon in \
      a name is written \\:. Repeatable. Example: --bind ~/src:/src:ro
      """, valueName: "src[:dst][:ro]"))
  var bind: [String] = []

  @Option(
    help: ArgumentHelp("An empty file system in memory at DST; repeatable. Example: --tmpfs /scratch", valueName: "dst")
  )
  var tmpfs: [String] = []

  @Option(
    name: [.customShort("w"), .long],
    help: ArgumentHelp(
      "Where the command starts (default: the caller's directory if it exists inside, else /). Example: --workdir /src",
      valueName: "dir"))
  var workdir: String?

  @Option(
    name: [.customShort("e"), .long],
    help: ArgumentHelp(
      "Set an environment variable; without a value: as the caller has it. Repeatable. Example: --env LANG=C.UTF-8 --env TERM",
      valueName: "name[=value]"))
  var env: [String] = []

  @Option(
    help: ArgumentHelp(
      "Variables from a file, one a line as --env has it, # for comments; --env counts more. Repeatable. Example: --env-file ci.env",
      valueName: "file"))
  var envFile: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help: "Leave out the caller's environment. Example: --clear-env --env PATH=/usr/bin:/bin")
  var clearEnv: Bool?

  @Option(
    name: [.customShort("u"), .long],
    help: ArgumentHelp(
      """
      Who the command is inside: numbers, GID being UID if left out, or names of /etc/passwd and /etc/group inside \
      (default: 0:0 with --fake-root, else the caller). Example: --user 1000:1000 --user www-data
      """, valueName: "user[:group]"))
  var user: String?

  @Option(
    help: ArgumentHelp(
      "What the machine is called inside (default: localhost). Example: --hostname build", valueName: "name"))
  var hostname: String?

  @Flag(
    inversion: .prefixedNo,
    help:
      "Nothing can be changed inside (EROFS) but what --bind and --tmpfs show. Example: --read-only --tmpfs /tmp -- ./test"
  )
  var readOnly: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Be root over the virtual tree, and over nothing else. Example: --fake-root -- chown bin:bin /usr/bin/env")
  var fakeRoot: Bool?

  @Option(
    help: ArgumentHelp(
      """
      The network: none (loopback only), allow (what --allow-net says) or host (default: none). Example: --net host
      """, valueName: "none|allow|host"))
  var net: String?

  @Option(
    help: ArgumentHelp(
      """
      What the command may reach: a name, *.name, an address or a range, its ports and protocol; dns to resolve every \
      name. Repeatable; implies --net allow. Example: --allow-net pypi.org:443/tcp --allow-net 10.0.0.0/8:5000-5100
      """, valueName: "host[:port][/tcp|udp]"))
  var allowNet: [String] = []

  @Option(
    name: [.long, .customShort("p")],
    help: ArgumentHelp(
      """
      The host reaches, on 127.0.0.1:PORT, who listens inside on GUESTPORT (default: PORT). Repeatable; implies --net \
      allow. Example: --publish 8080:80
      """, valueName: "port[:guestport]"))
  var publish: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      How strongly the command is walled off: auto, full or no-namespaces; see vedette doctor (default: auto). \
      Example: --isolation full
      """, valueName: "level"))
  var isolation: String?

  @Option(
    help: ArgumentHelp(
      "How calls are stopped: trace or notify (default: trace). Example: --gate notify", valueName: "trace|notify"))
  var gate: String?

  @Option(
    help: ArgumentHelp(
      """
      Ask the command to end (SIGTERM) after this time, and kill everything five seconds later: seconds, or with ms, s, m, h \
      or d. Exit status 124. Example: --timeout 10m
      """, valueName: "time"))
  var timeout: String?

  @Option(
    name: [.long, .customShort("m")],
    help: ArgumentHelp(
      """
      The memory that all processes inside may use together, their files in memory included; over it one is killed. \
      Example: --memory 2G
      """, valueName: "bytes"))
  var memory: String?

  @Option(
    help: ArgumentHelp(
      "How much CPU time all processes inside may use together, in CPUs; needs a control group. Example: --cpus 1.5",
      valueName: "n"))
  var cpus: String?

  @Option(
    help: ArgumentHelp(
      """
      A resource limit that the command starts with, by its name of setrlimit(2) in small letters; 'unlimited' for none. \
      Repeatable. Example: --ulimit nofile=256:1024 --ulimit cpu=60
      """, valueName: "name=soft[:hard]"))
  var ulimit: [String] = []

  @Option(
    help: ArgumentHelp(
      "The largest that a file may grow inside, as --ulimit fsize. Example: --max-file 100M", valueName: "bytes"))
  var maxFile: String?

  @Option(
    help: ArgumentHelp(
      "How many threads there may be inside at a time, each process's counted; one more is refused. Example: --pids 100",
      valueName: "n"))
  var pids: String?

  @Option(
    help: ArgumentHelp(
      """
      Refuse every access to what the pattern names and all below it (EACCES). From /, from ~/, or one name at any depth; *, ? \
      and [a-z] within a name, ** for any names. Repeatable. Example: --deny '~/.ssh' --deny '*.pem'
      """, valueName: "pattern"))
  var deny: [String] = []

  @Option(
    help: ArgumentHelp(
      "As --deny, but it is not there at all (ENOENT, in no listing). Example: --hide '~/.aws'", valueName: "pattern"))
  var hide: [String] = []

  @Option(
    help: ArgumentHelp(
      "As --deny, but only changes are refused (EROFS). Example: --protect '~/.bashrc' --protect '**/.git/hooks'",
      valueName: "pattern"))
  var protect: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      An exception: for what the pattern names and all below it, what --deny, --hide and --protect say of directories above \
      does not hold. Repeatable. Example: --deny '~/.ssh' --allow '~/.ssh/known_hosts'
      """, valueName: "pattern"))
  var allow: [String] = []

  @Option(
    help: ArgumentHelp(
      "Pass on descriptor N besides 0, 1 and 2; repeatable. Example: --fd 3 -- cat /dev/fd/3 3<notes.txt",
      valueName: "n"))
  var fd: [String] = []

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp(
      """
      Write a line for each served or refused call to FILE, as strace does; - is standard error. What the kernel runs by itself \
      (read, write, futex) is not seen. Example: --trace - -- ls; --trace calls.jsonl -- make
      """, valueName: "file"))
  var trace: String?

  @Option(
    help: ArgumentHelp(
      "How --trace is written: text or json (default: json for names in .json and .jsonl, else text). Example: --trace-format json",
      valueName: "text|json"))
  var traceFormat: String?

  @Option(
    help: ArgumentHelp(
      """
      What --trace shows: trace=SET, SET being calls, %file, %network, %process, %memory, %desc, %ipc or %signal, with a ! before \
      it all but these; or refused, for calls that failed for want of a permission. -e for short. Repeatable. \
      Example: --trace - -e trace=%file -e refused
      """, valueName: "expression"))
  var traceFilter: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help:
      "With --trace: a line when each call begins too, not only slow ones. Example: --trace calls.jsonl --trace-begin")
  var traceBegin: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "At the end, print a table of calls and their latency on standard error. Example: --stats -- ls -lR /etc")
  var stats: Bool?

  @Flag(
    inversion: .prefixedNo,
    help:
      "At the end, print the added, modified and deleted paths on standard error. Example: --changes -- make install")
  var changes: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      """
      When the command has ended, list the changes and ask what becomes of them, as vedette review does. They lie in --upper, \
      or in a directory made for it. Example: --review -- ./install.sh
      """))
  var review: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "What --stats and --changes print is JSON, an object a line. Example: --stats --changes --json -- make")
  var json: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Say nothing but errors and what was asked for: no warnings. Example: --quiet -- make")
  var quiet: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Say what the sandbox is made of and how the command ended, on standard error. Example: --verbose -- make")
  var verbose: Bool?

  @Option(
    help: ArgumentHelp(
      """
      Take options from a TOML file, each under its own name; the command line wins: a single value replaces the file's, \
      a repeatable one comes after it (--lower: on top of it). A name without a slash is looked for in ~/.config/vedette, \
      /etc/vedette and share/vedette too. Example: --config ci
      """, valueName: "name"))
  var config: String?

  @Argument(help: ArgumentHelp("The program, looked up inside, and its arguments.", valueName: "command"))
  var command: [String] = []
}
