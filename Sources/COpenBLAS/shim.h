// OpenBLAS as Swift sees it: CBLAS and the control functions that Debian's header declares.
#pragma once
#include <cblas.h>
