"""product_reranker: are these two products the same, and does this product answer the query?"""
