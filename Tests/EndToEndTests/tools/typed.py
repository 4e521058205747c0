# typed.py ANSWERS COMMAND... : runs a command on a terminal, gives one answer to each prompt, prints what showed and the status.
import os, pty, sys
answers, command = sys.argv[1].split(','), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0: os.execvp(command[0], command)
seen, asked = b'', 0
while True:
    try: data = os.read(terminal, 4096)
    except OSError: break
    if not data: break
    seen += data
    if asked < len(answers) and seen.rstrip(b' ').endswith((b'?', b']', b':')) and seen.endswith(b' '):
        os.write(terminal, answers[asked].encode() + b'\n'); asked += 1
sys.stdout.buffer.write(seen.replace(b'\r', b'')); print('status', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
