// What OpenBLAS chose on this machine, for doctor and bench: it decides how fast the float reference is.

import COpenBLAS

package enum OpenBLAS {
    /// The name of the kernels in use, such as `Cooperlake` or `Haswell`.
    package static var coreName: String { String(cString: openblas_get_corename()) }
}
