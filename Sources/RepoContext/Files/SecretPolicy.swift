// What never goes into a prompt and is never completed in: files that hold credentials by their name, and any
// file that holds a private key. A deny list cannot be complete; it covers the names that tools themselves
// give to their secrets. Names are compared in ASCII lower case.

/// The deny list.
package enum SecretPolicy {
    private static let names: Set<String> = [
        ".env",
        ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc", ".yarnrc", ".pypirc", ".htpasswd",
        ".git-credentials",
        ".vault-token", ".vault_pass", ".dockercfg", ".boto", ".s3cfg", ".rclone.conf", "rclone.conf",
        "credentials", "credentials.json", "credentials.yml", "credentials.yaml", "credentials.toml",
        "credentials.xml", "credentials.ini", "credentials.csv", "client_secret.json", "service-account.json",
        "service_account.json", "secrets.json", "secrets.yml", "secrets.yaml", "secrets.toml", "secret.json",
        "secret.yml", "secret.yaml", "master.key", "kubeconfig", "kubeconfig.yaml", "kubeconfig.yml",
        "terraform.tfstate", "terraform.tfvars", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "shadow",
        "gshadow",
        ".bash_history", ".zsh_history", ".python_history",
    ]
    private static let extensions: Set<String> = [
        "pem", "key", "p12", "pfx", "pkcs12", "jks", "keystore", "p8", "ppk", "kdbx", "kdb", "gpg", "pgp",
        "tfstate", "tfvars", "ovpn", "agilekeychain", "keychain", "kwallet", "secret", "secrets",
    ]
    private static let namePrefixes = [
        ".env.", ".env-", ".env_", ".envrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "client_secret_",
    ]
    private static let folders: Set<String> = [
        ".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".gcloud",
    ]
    /// Templates are made to be shared and hold no values.
    private static let templateSuffixes = [".example", ".sample", ".template", ".dist"]

    /// Whether a file with this path must not be read into a prompt, and completion in it is refused.
    package static func isDenied(path: RelativePath) -> Bool { isDenied(path.string) }

    /// The same for an absolute path.
    package static func isDenied(_ path: String) -> Bool {
        let components = path.lowercasedASCII().utf8.split(separator: UInt8(ascii: "/")).map {
            String(Substring($0))
        }
        guard let name = components.last else { return false }
        if components.dropLast().contains(where: folders.contains) { return true }
        if templateSuffixes.contains(where: name.hasSuffix) { return false }
        // ".env", ".env.local", ".envrc"; also "prod.env".
        if namePrefixes.contains(where: name.hasPrefix), !name.hasSuffix(".pub") { return true }
        if names.contains(name) || name.hasSuffix(".env") { return true }
        guard let dot = name.lastIndex(of: ".") else { return false }
        return extensions.contains(String(name[name.index(after: dot)...]))
    }

    /// Whether the bytes assign a value that looks like a credential: a file of which nothing may be shown.
    package static func containsCredential(_ bytes: [UInt8]) -> Bool { SecretAssignment.isFound(in: bytes) }

    /// Whether the bytes hold a private key in PEM or PuTTY form: a header and then key material. A source
    /// file that only names the header (this one's neighbours, say) is no secret.
    package static func containsPrivateKey(_ bytes: [UInt8]) -> Bool {
        if bytes.starts(with: "PuTTY-User-Key-File".utf8) { return true }
        var start = 0
        while let begin = bytes.firstIndex(of: pemBegin, from: start) {
            start = begin + pemBegin.count
            let headerEnd = min(bytes.count, start + 64)
            guard let label = bytes[..<headerEnd].firstIndex(of: pemPrivateKey, from: start) else { continue }
            if holdsKeyMaterial(bytes, from: label + pemPrivateKey.count) { return true }
        }
        return false
    }

    private static let pemBegin = Array("-----BEGIN ".utf8)
    private static let pemPrivateKey = Array("PRIVATE KEY".utf8)

    /// At least this many base64 characters within 200 bytes of the header: one line of a key is 64 (PEM) or
    /// 70 (OpenSSH); 40 leaves room for quoting and for PEM headers such as "Proc-Type".
    private static let keyMaterialCount = 40

    private static func holdsKeyMaterial(_ bytes: [UInt8], from start: Int) -> Bool {
        var run = 0
        for byte in bytes[start..<min(bytes.count, start + 200)] {
            let isBase64 = byte.isIdentifierByte || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
            run = isBase64 ? run + 1 : 0
            if run >= keyMaterialCount { return true }
        }
        return false
    }
}

extension RandomAccessCollection where Element == UInt8, Index == Int {
    /// The first place at or after `start` where the needle begins.
    func firstIndex(of needle: [UInt8], from start: Int) -> Int? {
        guard let first = needle.first, endIndex - start >= needle.count else { return nil }
        var index = start
        let last = endIndex - needle.count
        while index <= last {
            guard let hit = self[index...last].firstIndex(of: first) else { return nil }
            if self[hit..<(hit + needle.count)].elementsEqual(needle) { return hit }
            index = hit + 1
        }
        return nil
    }
}

extension UInt8 {
    /// A letter, digit or underscore, or any byte of a character outside ASCII.
    var isIdentifierByte: Bool { isIdentifierStart || (self >= 0x30 && self <= 0x39) }

    /// What an identifier can begin with ("$" is a letter in JavaScript and harmless elsewhere).
    var isIdentifierStart: Bool {
        (self | 0x20 >= 0x61 && self | 0x20 <= 0x7A) || self == 0x5F || self >= 0x80 || self == 0x24
    }
}
