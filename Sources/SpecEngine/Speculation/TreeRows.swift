// A tree's shape as the attention kernel reads it: for each row the staged rows that it sees, in position order.

import CSpecKernels

/// Paths and lengths of up to `TokenTree.capacity` rows.
struct TreeRows {
    /// [rows, SPEC_TREE_DEPTH]
    private var paths = [UInt8](repeating: 0, count: TokenTree.capacity * Int(SPEC_TREE_DEPTH))
    /// Staged keys that each row sees: its depth + 1 where the root is staged too.
    private(set) var lengths = [Int32](repeating: 0, count: TokenTree.capacity)

    private let inNodeOrder = (0..<TokenTree.capacity).map { UInt8($0) }

    /// One row per node, the root included, staged in node order.
    mutating func assign(_ tree: TokenTree) {
        for node in 0..<tree.count {
            assignRow(node, node: node, of: tree, firstDepth: 0, stagedRows: inNodeOrder)
        }
    }

    /// One row sees `node`'s path from `firstDepth` on (nodes above are committed already). `stagedRows` says where
    /// each node's keys and values wait.
    mutating func assignRow(
        _ row: Int, node: Int, of tree: TokenTree, firstDepth: Int, stagedRows: [UInt8]
    ) {
        var length = tree.depths[node] + 1 - firstDepth
        lengths[row] = Int32(length)
        var ancestor = node
        while length > 0 {
            length -= 1
            paths[row * Int(SPEC_TREE_DEPTH) + length] = stagedRows[ancestor]
            ancestor = tree.parents[ancestor]
        }
    }

    func withPointers(_ body: (UnsafePointer<UInt8>, UnsafePointer<Int32>) -> Bool) -> Bool {
        paths.withUnsafeBufferPointer { paths in
            lengths.withUnsafeBufferPointer { body(paths.baseAddress!, $0.baseAddress!) }
        }
    }
}
