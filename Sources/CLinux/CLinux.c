// The launcher and the trampoline are in files of their own; the header is all inline.
#include "CLinux.h"
