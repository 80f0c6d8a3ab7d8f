#include "spec_kernels.h"
