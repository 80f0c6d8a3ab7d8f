// Where a user's files are (XDG Base Directory specification). Only names: nothing is looked at and nothing is made.

#if canImport(Glibc)
    import Glibc
#endif

/// Foretoken's folders; nil where there is no home directory either.
enum UserDirectories {
    /// Derived data, which may be deleted at any time.
    static var cache: String? { folder("XDG_CACHE_HOME", beneathHome: ".cache") }

    /// What the user chose.
    static var configuration: String? { folder("XDG_CONFIG_HOME", beneathHome: ".config") }

    /// What is counted.
    static var state: String? { folder("XDG_STATE_HOME", beneathHome: ".local/state") }

    /// Where processes of one user meet; without `XDG_RUNTIME_DIR` a folder of the user's in /tmp, whose owner is
    /// checked before use.
    static var runtime: String {
        absolutePath("XDG_RUNTIME_DIR").map { $0 + "/foretoken" } ?? "/tmp/foretoken-\(geteuid())"
    }

    private static func folder(_ variable: String, beneathHome standard: String) -> String? {
        let base = absolutePath(variable) ?? absolutePath("HOME").map { $0 + "/" + standard }
        return base.map { $0 + "/foretoken" }
    }

    /// The specification has relative paths ignored.
    private static func absolutePath(_ variable: String) -> String? {
        getenv(variable).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
}
