// What to write in place of an option that there is not: what users of other tools write, and slips of the pen.

import Vedette

/// See the head of this file.
enum OptionAdvice {
  /// An option that `vedette run` does not have.
  static func unknown(_ name: ByteString) -> ConfigurationError {
    ConfigurationError(
      at: "run", "there is no option '\(name)'", advice: ofOtherTools(name) ?? similar(name) ?? "see vedette run --help"
    )
  }

  private static func similar(_ name: ByteString) -> String? {
    let known = RunOption.allCases.flatMap(\.words) + ["--config", "--help"]
    return Spelling.nearest(to: name.description, among: known).map { "\($0)?" }
  }

  /// What is said elsewhere for what another of our commands does.
  static func ofOtherTools(_ name: String, for command: String) -> String? {
    switch (command, name) {
    case ("fsck", "--fix"), ("fsck", "-y"), ("fsck", "-f"), ("fsck", "--yes"), ("fsck", "-p"): "--repair"
    case ("apply", "--force"), ("apply", "-f"): "--ours for conflicts, --yes for the question"
    case ("apply", "-n"), ("undo", "-n"): command == "apply" ? "--dry-run" : "without --yes it asks first"
    case ("apply", "-y"), ("undo", "-y"): "--yes"
    case ("diff", "-u"), ("diff", "-p"): "--patch"
    case ("diff", "--name-only"), ("diff", "--name-status"): "leave it out: it is what diff does"
    case ("import", "-o"), ("import", "--output"), ("import", "-C"), ("import", "--dest"): "--to DIR"
    case ("export", "-f"), ("export", "--file"), ("export", "--to"): "-o LAYER.tar"
    default: nil
    }
  }

  /// Options of docker, podman, bubblewrap, PRoot, firejail and strace, and what says the same here.
  private static func ofOtherTools(_ name: ByteString) -> String? {
    switch name.description {
    case "-i", "-t", "-it", "-ti", "--interactive", "--tty":
      "leave it out: the command has the caller's standard input and terminal"
    case "--rm": "leave it out: nothing is kept unless --upper DIR says so"
    case "-d", "--detach", "--name", "--restart":
      "leave it out: there is no daemon; the shell's & runs it in the background"
    case "--network", "--share-net", "--unshare-net": "--net none, allow or host; none is the default"
    case "--privileged", "--cap-add", "--cap-drop", "--security-opt":
      "leave it out: the command never has privileges on the host; --fake-root for root inside"
    case "--entrypoint": "name the command itself: vedette run -- COMMAND"
    case "--chdir", "--cwd", "--pwd", "-C", "--dir": "--workdir DIR"
    case "--mount", "--ro-bind", "--dev-bind", "--bind-try", "--ro-bind-try": "--bind SRC[:DST][:ro]"
    case "--setenv": "--env NAME=VALUE"
    case "--unsetenv": "--clear-env, and --env NAME for each that is to stay"
    case "--clearenv": "--clear-env"
    case "--root", "--chroot", "-r", "-R", "-S": "--rootfs DIR"
    case "--overlay", "--overlay-src", "--tmp-overlay", "--ro-overlay", "--persist", "--save", "--keep":
      "--upper DIR keeps the changes, --lower DIR shows a directory over the root"
    case "--uid", "--gid": "--user UID[:GID]"
    case "-0", "--root-id", "--fakeroot": "--fake-root"
    case "--proc", "--dev", "--die-with-parent", "--new-session", "--unshare-all", "--unshare-user", "--unshare-pid",
      "--unshare-ipc", "--unshare-uts", "--unshare-cgroup":
      "leave it out: it is always so"
    case "--no-net", "--nonet": "leave it out: --net none is the default"
    case "--nproc", "--pids-limit", "--max-procs": "--pids N"
    case "--memory-limit", "--mem": "--memory BYTES"
    case "--cpu", "--cpu-quota": "--cpus N"
    case "--storage-opt", "--tmpfs-size": "--size BYTES"
    case "--time", "--time-limit", "-T": "--timeout TIME"
    case "--dry-run", "-n": "leave it out: nothing reaches the host; --changes lists what the command changed"
    case "-V", "--version": "vedette --version"
    default: nil
    }
  }
}
