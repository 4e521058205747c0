// System V IPC and POSIX message queues: native in an IPC namespace of their own, absent without one.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addIPC() {
    let calls: [(Int, StaticString)] = [
      (29, "shmget"), (30, "shmat"), (31, "shmctl"), (64, "semget"), (65, "semop"), (66, "semctl"), (67, "shmdt"),
      (68, "msgget"), (69, "msgsnd"), (70, "msgrcv"), (71, "msgctl"), (220, "semtimedop"),
    ]
    for (number, name) in calls { ipc(number, name, .int("id"), .word("arg2"), .word("arg3"), .word("arg4")) }
    ipc(240, "mq_open", .string("name"), .openFlags, .mode, .bytes("attr"))
    ipc(241, "mq_unlink", .string("name"))
    ipc(242, "mq_timedsend", .descriptor("mqdes"), .bytes("msg_ptr"), .size("msg_len"), .int("msg_prio"))
    ipc(243, "mq_timedreceive", .descriptor("mqdes"), .bytes("msg_ptr"), .size("msg_len"), .bytes("msg_prio"))
    ipc(244, "mq_notify", .descriptor("mqdes"), .bytes("sevp"))
    ipc(245, "mq_getsetattr", .descriptor("mqdes"), .bytes("newattr"), .bytes("oldattr"))
  }

  private mutating func ipc<each Value: CallArgument>(
    _ number: Int, _ name: StaticString, _ arguments: repeat Arg<each Value>
  ) {
    filtered(
      number, name, "of the sandbox alone: without an IPC namespace there is none", repeat each arguments,
      treatment: .depends { CallPolicy(otherwise: $0.isolation == .full ? .native : .errno(.noFunction)) })
  }
}
