// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// The twin of contracts/zig/exchange.zig: two tokens, traded so that the product of the reserves does not fall.
/// Its own ERC-20 token is a share of the reserves.
contract Exchange is ERC20, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint256 public constant FEE_BASIS_POINTS = 30;

    address public token0;
    address public token1;
    uint112 private _reserve0;
    uint112 private _reserve1;
    uint32 private _updated;

    event Added(address indexed from, uint256 amount0, uint256 amount1, uint256 shares);
    event Removed(address indexed to, uint256 amount0, uint256 amount1, uint256 shares);
    event Swapped(address indexed from, address indexed tokenIn, uint256 amountIn, uint256 amountOut, address indexed to);
    event Synchronised(uint112 reserve0, uint112 reserve1);

    error UnknownToken(address token);
    error TooLittle(uint256 amount, uint256 minimum);
    error ReserveTooLarge(uint256 reserve);
    error NoReserves();

    constructor(address first, address second) ERC20("Exchange Share", "XSH") {
        if (first == second) revert UnknownToken(second);
        token0 = first;
        token1 = second;
    }

    function reserves() external view returns (uint112, uint112, uint32) {
        return (_reserve0, _reserve1, _updated);
    }

    /// What `amountIn` of one token buys of the other, after the fee.
    function quote(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) public pure returns (uint256) {
        if (reserveIn == 0 || reserveOut == 0) revert NoReserves();
        uint256 afterFee = amountIn * (10_000 - FEE_BASIS_POINTS);
        return afterFee * reserveOut / (reserveIn * 10_000 + afterFee);
    }

    function add(uint256 amount0, uint256 amount1, uint256 minimumShares, address to)
        external
        nonReentrant
        returns (uint256 shares)
    {
        uint256 supply = totalSupply();
        shares = supply == 0
            ? Math.sqrt(amount0 * amount1)
            : Math.min(amount0 * supply / _reserve0, amount1 * supply / _reserve1);
        if (shares < minimumShares || shares == 0) revert TooLittle(shares, minimumShares);
        IERC20(token0).safeTransferFrom(msg.sender, address(this), amount0);
        IERC20(token1).safeTransferFrom(msg.sender, address(this), amount1);
        _mint(to, shares);
        emit Added(msg.sender, amount0, amount1, shares);
        _synchronise();
    }

    function remove(uint256 shares, uint256 minimum0, uint256 minimum1, address to)
        external
        nonReentrant
        returns (uint256 amount0, uint256 amount1)
    {
        uint256 supply = totalSupply();
        amount0 = shares * _reserve0 / supply;
        amount1 = shares * _reserve1 / supply;
        if (amount0 < minimum0) revert TooLittle(amount0, minimum0);
        if (amount1 < minimum1) revert TooLittle(amount1, minimum1);
        _burn(msg.sender, shares);
        IERC20(token0).safeTransfer(to, amount0);
        IERC20(token1).safeTransfer(to, amount1);
        emit Removed(to, amount0, amount1, shares);
        _synchronise();
    }

    function swap(address tokenIn, uint256 amountIn, uint256 minimumOut, address to)
        external
        nonReentrant
        returns (uint256 amountOut)
    {
        if (tokenIn != token0 && tokenIn != token1) revert UnknownToken(tokenIn);
        bool isFirst = tokenIn == token0;
        amountOut = isFirst ? quote(amountIn, _reserve0, _reserve1) : quote(amountIn, _reserve1, _reserve0);
        if (amountOut < minimumOut) revert TooLittle(amountOut, minimumOut);
        IERC20(tokenIn).safeTransferFrom(msg.sender, address(this), amountIn);
        IERC20(isFirst ? token1 : token0).safeTransfer(to, amountOut);
        emit Swapped(msg.sender, tokenIn, amountIn, amountOut, to);
        _synchronise();
    }

    /// The name of one of the tokens, or why it has none.
    function describe(address token) external view returns (bool known, string memory text, uint256 code) {
        try ERC20(token).name() returns (string memory name_) {
            return (true, name_, 0);
        } catch Error(string memory reason) {
            return (false, reason, 1);
        } catch Panic(uint256 number) {
            return (false, "panic", number);
        } catch (bytes memory data) {
            return (false, "", data.length);
        }
    }

    function _synchronise() private {
        uint256 held0 = IERC20(token0).balanceOf(address(this));
        uint256 held1 = IERC20(token1).balanceOf(address(this));
        if (held0 > type(uint112).max) revert ReserveTooLarge(held0);
        if (held1 > type(uint112).max) revert ReserveTooLarge(held1);
        _reserve0 = uint112(held0);
        _reserve1 = uint112(held1);
        _updated = uint32(block.timestamp);
        emit Synchronised(_reserve0, _reserve1);
    }
}
