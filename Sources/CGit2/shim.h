// libgit2 as Swift sees it. Swift does not import variadic functions, so each option of
// git_libgit2_opts that we use has a wrapper here.
#pragma once
#include <git2.h>
