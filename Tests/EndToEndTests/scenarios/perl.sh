# perl: in-place editing, modules, directories, locks, pipes, fork, signals, sockets.
set -u
printf 'one\ntwo\n' >f
perl -pi.orig -e 's/one/1/' f
cat f f.orig
perl -MCwd -e 'print getcwd() =~ m{/scratch$} ? "cwd\n" : "other\n"'
perl -MFile::Temp=tempfile -MFile::Copy -MFile::Path=make_path,remove_tree -MFile::Find -MFcntl=:flock,:mode -MIO::Socket::UNIX -MPOSIX -MTime::HiRes=sleep -we '
  make_path("d/e/f"); copy("f", "d/e/f/g"); move("d/e/f/g", "d/e/h"); my @n; find(sub { push @n, $File::Find::name }, "d"); print join(" ", sort @n), "\n"; remove_tree("d"); print -e "d" ? "there\n" : "gone\n";
  my ($fh, $name) = tempfile(DIR => "."); print $fh "x" x 1000; close $fh; print -s $name, "\n"; unlink $name;
  open my $l, ">>", "lock" or die; flock($l, LOCK_EX) or die; my $pid = fork // die; if (!$pid) { open my $m, ">>", "lock"; exit(flock($m, LOCK_EX | LOCK_NB) ? 1 : 5) } waitpid $pid, 0; print "lock ", $? >> 8, "\n";
  opendir my $dh, "." or die; my @e = grep { !/^\./ } readdir $dh; my $t = telldir $dh; rewinddir $dh; my @again = readdir $dh; print scalar(@e), " ", scalar(@again), "\n";
  my @s = stat "f"; printf "%o %d %d\n", S_IMODE($s[2]), $s[3], $s[7]; utime 1e9, 1e9, "f"; print +(stat "f")[9], "\n"; chmod 0600, "f"; rename "f", "f2"; symlink "f2", "f3"; print readlink("f3"), " ", (-l "f3" ? 1 : 0), "\n"; truncate "f2", 3; print -s "f2", "\n"; mkdir "m" or die; mkdir "m" or print "$!\n"; rmdir "m"; open my $no, "<", "nope" or print "$!\n";
  my $srv = IO::Socket::UNIX->new(Local => "sock", Listen => 1) or die "socket: $!"; if (!(my $c = fork)) { my $s = IO::Socket::UNIX->new(Peer => "sock") or die "connect: $!"; print $s "hello\n"; exit 0 } my $c = $srv->accept; print scalar <$c>; wait; print -S "sock" ? "socket\n" : "none\n";
  open my $p, "-|", "sort", "-r", "f.orig" or die; print <$p>; close $p; print `echo shell`; system("sh", "-c", "exit 3"); print $? >> 8, "\n"; local $SIG{ALRM} = sub { print "alarm\n" }; alarm 1; select undef, undef, undef, 3; pipe my $r, my $w; print $w "p\n"; close $w; print <$r>; print POSIX::strftime("%Y", gmtime 0), "\n"; '
perl -e 'kill 9, $$'
echo "status $?"
perl -e 'exit 42'
echo "status $?"
perl -e 'die "no\n"'
echo "status $?"
perl -e '$0 = "renamed"; open F, "/proc/self/comm"; print <F>'
printf '#!/usr/bin/perl -w\nprint "script @ARGV\\n";' >s.pl
chmod +x s.pl
./s.pl a 'b c'
