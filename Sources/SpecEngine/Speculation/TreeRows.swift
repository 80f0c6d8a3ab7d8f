// A tree's shape as the attention kernel reads it: for each row the staged rows that it sees, in position order.

import CSpecKernels

/// Paths and lengths of up to `TokenTree.capacity` rows.
struct TreeRows {
    /// [rows, SPEC_TREE_DEPTH]
    private var paths = [UInt8](repeating: 0, count: TokenTree.capacity * Int(SPEC_TREE_DEPTH))
    /// Staged keys that each row sees: its depth + 1 where the root is staged too.
    private(set) var lengths = [Int32](repeating: 0, count: TokenTree.capacity)

    /// One row per node, the root included, staged in node order.
    mutating func assign(_ tree: TokenTree) {
        for node in 0..<tree.count { assignRow(node, node: node, of: tree, skippingRoot: false) }
    }

    /// One row sees `node`'s path. With `skippingRoot` the root is committed already and staged rows are nodes − 1.
    mutating func assignRow(_ row: Int, node: Int, of tree: TokenTree, skippingRoot: Bool) {
        let offset = skippingRoot ? 1 : 0
        var length = tree.depths[node] + 1 - offset
        lengths[row] = Int32(length)
        var ancestor = node
        while length > 0 {
            length -= 1
            paths[row * Int(SPEC_TREE_DEPTH) + length] = UInt8(ancestor - offset)
            ancestor = tree.parents[ancestor]
        }
    }

    func withPointers(_ body: (UnsafePointer<UInt8>, UnsafePointer<Int32>) -> Bool) -> Bool {
        paths.withUnsafeBufferPointer { paths in
            lengths.withUnsafeBufferPointer { body(paths.baseAddress!, $0.baseAddress!) }
        }
    }
}
